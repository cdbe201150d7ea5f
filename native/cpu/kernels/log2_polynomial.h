// log2(1 + f) / f for f in [sqrt(1/2) - 1, sqrt(2) - 1], for every `struct vector`. Included after exp2_polynomial.h.
#pragma once

#include "cpu/kernels/exp2_polynomial.h"

namespace cosface {
namespace {

// From the highest power down: interpolates at the Chebyshev nodes, to 2e-8 of the value.
constexpr float log2_coefficients[] = {-0.107497893f, 0.184760332f,  -0.191388384f, 0.204857647f,  -0.239608124f,
                                       0.288552552f,  -0.360696554f, 0.480898529f,  -0.721347332f, 1.44269502f};

template <class vector>
COSFACE_LANE typename vector::type log2_of_one_plus(typename vector::type f) {
  const float* c = log2_coefficients;
  typename vector::type p = vector::broadcast(c);
  for (int k = 1; k < 10; k++) p = vector::fma(p, f, vector::broadcast(c + k));
  return vector::fma(p, f, vector::zero());
}

}  // namespace
}  // namespace cosface
