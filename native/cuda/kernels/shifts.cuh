// Shifts of exponentials are whole numbers, so that changing one scales a sum exactly.
#pragma once

#include "cuda/gpu.h"

namespace cosface::cuda {

// 2^(lower - shift) by its bits, as ex2.approx promises 2 ulp and no more. `lower` is at most `shift`; 0 below 2^-126,
// where nothing is left of what it scales.
__device__ inline float ratio_of_shifts(float lower, float shift) {
  const float exponent = lower - shift;
  return exponent < -126 ? 0 : bits_float(static_cast<uint32_t>(127 + static_cast<int>(exponent)) << 23);
}

}  // namespace cosface::cuda
