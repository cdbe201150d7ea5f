// For formulas that host and device compute alike: nothing but arithmetic.
#pragma once

#if defined(__CUDACC__)
#define COSFACE_HOST_DEVICE __host__ __device__
#else
#define COSFACE_HOST_DEVICE
#endif

namespace cosface {

COSFACE_HOST_DEVICE inline double clamp_to(double value, double low, double high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace cosface
