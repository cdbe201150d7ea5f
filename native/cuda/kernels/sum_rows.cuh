// Sums of whole matrices' rows, for label smoothing: of all classes' unit rows, which the sum of a sample's logits is a
// product with, and of the samples', which every class's gradient has a part of.
//
//   in       sum_units: units of a chunk [rows, padded D], as the products read them; sum_samples: x, samples
//   out      parts [parts, padded D] in double; fold_sums adds them up, after the chunks before
//   grid     padded D / 64 x parts; a thread has one feature
//   order    follows from the shape alone
#pragma once

#include "cuda/kernels/warp.cuh"

namespace cosface::cuda {

constexpr int sum_threads = 64;

__device__ inline int64_t feature_of_thread() { return static_cast<int64_t>(blockIdx.x) * sum_threads + threadIdx.x; }

// `element(row)` gives the thread's feature of it.
template <class function>
__device__ void sum_part(double* parts, int64_t rows, int64_t rows_per_part, int64_t padded_dim,
                         const function& element) {
  const int64_t first = blockIdx.y * rows_per_part;
  const int64_t last = first + rows_per_part, end = last < rows ? last : rows;
  double sum = 0;
  for (int64_t r = first; r < end; r++) sum += element(r);
  parts[blockIdx.y * padded_dim + feature_of_thread()] = sum;
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(64) cosface_sum_units(cosface::cuda::sum_units_params p) {
  using namespace cosface::cuda;
  const int64_t d = feature_of_thread();
  sum_part(p.parts, p.rows, p.rows_per_part, p.padded_dim, [&](int64_t r) -> double {
    const int64_t at = r * p.padded_dim + d;
    return p.half_operands ? gpu::unpack_half(static_cast<const uint16_t*>(p.units)[at])
                           : static_cast<const float*>(p.units)[at];
  });
}

extern "C" __global__ void __launch_bounds__(64) cosface_sum_samples(cosface::cuda::sum_samples_params p) {
  using namespace cosface::cuda;
  const source_problem& whole = p.problem;
  const int64_t d = feature_of_thread();
  sum_part(p.parts, whole.batch, p.rows_per_part, p.padded_dim, [&](int64_t i) -> double {
    const sample_state& state = whole.samples[i];
    return d < whole.dim ? state.smoothed * state.factor * whole.embeddings[i * whole.dim + d] : 0;
  });
}

extern "C" __global__ void __launch_bounds__(64) cosface_fold_sums(cosface::cuda::fold_sums_params p) {
  using namespace cosface::cuda;
  const int64_t d = feature_of_thread();
  double sum = p.accumulate ? p.sum[d] : 0;
  for (int64_t k = 0; k < p.count; k++) sum += p.parts[k * p.padded_dim + d];
  p.sum[d] = sum;
}
