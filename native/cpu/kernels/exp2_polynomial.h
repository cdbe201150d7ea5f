// 2^f for f in [-1/2, 1/2], for every `struct vector` that has no exponential of its own. Included
// after an ISA file has set its target.
#pragma once

#if defined(__GNUC__)
#define COSFACE_LANE inline __attribute__((always_inline))
#else
#define COSFACE_LANE __forceinline
#endif

namespace cosface {
namespace {

// From the highest power down: interpolates at the Chebyshev nodes, exact at 0.
constexpr float exp2_coefficients[] = {
    0.000154531634f, 0.00133908633f, 0.00961808302f, 0.0555035696f, 0.240226507f, 0.693147182f, 1.0f};

template <class vector>
COSFACE_LANE typename vector::type exp2_fraction(typename vector::type f) {
  const float* c = exp2_coefficients;
  typename vector::type p = vector::broadcast(c);
  p = vector::fma(p, f, vector::broadcast(c + 1));
  p = vector::fma(p, f, vector::broadcast(c + 2));
  p = vector::fma(p, f, vector::broadcast(c + 3));
  p = vector::fma(p, f, vector::broadcast(c + 4));
  p = vector::fma(p, f, vector::broadcast(c + 5));
  return vector::fma(p, f, vector::broadcast(c + 6));
}

}  // namespace
}  // namespace cosface
