// A gradient by a unit vector, turned into one by the vector: (g - (g . v) v / |v|^2) / |v|; g itself for a vector that
// is taken as it is. By a warp.
//
// `sum(d)` gives g's feature d; it is formed twice rather than kept, so that D has no limit here.
#pragma once

#include "cuda/kernels/warp.cuh"

namespace cosface::cuda {

// Where the projection leaves less than 1 / 4 of what was summed in fp32, the rounding of that shows, and the sum is
// formed again in double: docs/math.md, section 6.
constexpr double largest_shortening = 4;

struct projection {
  double along_over_squared;  // (g . v) / |v|^2
  double inverse_norm;
  double squared_across;  // |g - (g . v) v / |v|^2|^2
  bool turns;             // else the gradient is 0
};

template <class function>
__device__ projection measure_projection(const float* v, int64_t dim, bool normalised, const function& sum) {
  double along = 0, squared = 0, squared_sum = 0;
  for (int64_t d = lane_of_thread(); d < dim; d += warp_size) {
    const double g = sum(d);
    along += g * v[d];
    squared += static_cast<double>(v[d]) * v[d];
    squared_sum += g * g;
  }
  along = warp_sum(along);
  squared = warp_sum(squared);
  squared_sum = warp_sum(squared_sum);
  if (!normalised) return {0, 1, squared_sum, true};
  const double inverse_norm = inverse_of_norm(squared);
  if (inverse_norm == 0) return {0, 0, 0, false};
  // A zero row has no direction, and nothing can turn on a line: there the gradient is 0, whatever rounding says.
  return {along / squared, inverse_norm, squared_sum - along * along / squared, dim > 1};
}

template <class function>
__device__ void write_projected(float* out, const float* v, int64_t dim, const projection& onto, const function& sum) {
  for (int64_t d = lane_of_thread(); d < dim; d += warp_size)
    out[d] = onto.turns ? static_cast<float>((sum(d) - onto.along_over_squared * v[d]) * onto.inverse_norm) : 0.0f;
}

template <class function>
__device__ double squared_length_by_warp(int64_t dim, const function& sum) {
  double squared = 0;
  for (int64_t d = lane_of_thread(); d < dim; d += warp_size) squared += sum(d) * sum(d);
  return warp_sum(squared);
}

__device__ inline bool is_shortened(double squared_length, const projection& onto) {
  return squared_length > largest_shortening * largest_shortening * onto.squared_across;
}

}  // namespace cosface::cuda
