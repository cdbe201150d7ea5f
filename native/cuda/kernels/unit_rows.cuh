// Rows of length one as the products read them.
//
//   in       a row of D floats
//   out      [padded D] floats or halves, zeros past D
//   range    half: elements below 2^-14 lose digits and below 2^-25 vanish, which moves a cosine by 2^-25 at most
//   error    the factor is double, so each element is rounded once
#pragma once

#include "cuda/kernels/warp.cuh"

namespace cosface::cuda {

__device__ inline double squared_norm_by_warp(const float* v, int64_t dim) {
  double squared = 0;
  for (int64_t d = lane_of_thread(); d < dim; d += warp_size) squared += static_cast<double>(v[d]) * v[d];
  return warp_sum(squared);
}

// Row r of `units` by a warp: factor v; zeros where v is null.
__device__ inline void write_unit_row(void* units, int64_t r, const float* v, double factor, int64_t dim,
                                      int64_t padded_dim, bool half_operands) {
  const auto element = [&](int64_t d) { return v != nullptr && d < dim ? static_cast<float>(factor * v[d]) : 0.0f; };
  if (half_operands) {
    uint16_t* out = static_cast<uint16_t*>(units) + r * padded_dim;
    for (int64_t d = 2 * lane_of_thread(); d < padded_dim; d += 2 * warp_size)
      gpu::store_half2(out + d, element(d), element(d + 1));
  } else {
    float* out = static_cast<float*>(units) + r * padded_dim;
    for (int64_t d = lane_of_thread(); d < padded_dim; d += warp_size) out[d] = element(d);
  }
}

}  // namespace cosface::cuda
