// Gradients whose sums fp32 is not good enough for, once more in double. General path only.
//
//   in       redo: which rows (or classes of the chunk); x, w, samples with their final factors
//   out      d_embeddings or d_weights of those
//   passes   a block per row: the others 32 at a time, eight dot products a warp, then every thread adds up its
//   features.
//            Rows without the flag leave at once
//   cost     4 C D flops in double a row. Rare (docs/math.md, section 6): few dimensions, or samples and centres that
//            have collapsed onto a line
//   shared   D doubles and 32 coefficients: 33 KB at D = 4096
#pragma once

#include "cuda/kernels/finish_classes.cuh"
#include "cuda/kernels/finish_rows.cuh"

namespace cosface::cuda {

constexpr int exact_threads = 128, exact_warps = exact_threads / warp_size;
constexpr int exact_others = 32;  // at a time

struct exact_shared {
  double coefficients[exact_others];
  double sum[1];  // [dim]
};

// sum[d] = sum over the others of coefficient(other) other[d]. `coefficient` is called by whole warps.
template <class row_function, class coefficient_function>
__device__ void sum_exactly(exact_shared& shared, int64_t others, int64_t dim, const row_function& other_row,
                            const coefficient_function& coefficient) {
  const int64_t thread = threadIdx.x;
  for (int64_t d = thread; d < dim; d += exact_threads) shared.sum[d] = 0;
  for (int64_t first = 0; first < others; first += exact_others) {
    const int64_t count = others - first < exact_others ? others - first : exact_others;
    for (int64_t k = thread / warp_size; k < count; k += exact_warps) {
      const double value = coefficient(first + k);
      if (lane_of_thread() == 0) shared.coefficients[k] = value;
    }
    BLOCK_BARRIER();
    for (int64_t d = thread; d < dim; d += exact_threads) {
      double sum = shared.sum[d];
      for (int64_t k = 0; k < count; k++) sum += shared.coefficients[k] * other_row(first + k)[d];
      shared.sum[d] = sum;
    }
    BLOCK_BARRIER();
  }
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128, 4) cosface_redo_rows(cosface::cuda::redo_rows_params p) {
  using namespace cosface::cuda;
  const int64_t i = blockIdx.x;
  if (!p.redo[i]) return;
  exact_shared& shared = gpu::shared<exact_shared>();
  const sample_state& state = p.samples[i];
  const int32_t target = p.targets[i];
  const float* x = p.embeddings + i * p.dim;
  sum_exactly(
      shared, p.classes, p.dim, [&](int64_t c) { return row(p.weights, c, p.dim); },
      [&](int64_t c) {
        const seen_row w = look_at_row(x, row(p.weights, c, p.dim), state.inverse_norm, p.dim);
        if (c == target) return state.target_factor * w.inverse_norm;
        return exp2(p.base2_scale * w.cosine + state.shift) * state.negative_factor * w.inverse_norm;
      });
  if (threadIdx.x >= warp_size) return;
  const auto sum = [&](int64_t d) { return shared.sum[d]; };
  write_projected(p.d_embeddings + i * p.dim, x, p.dim, measure_projection(x, p.dim, sum), sum);
}

extern "C" __global__ void __launch_bounds__(128, 4) cosface_redo_classes(cosface::cuda::redo_classes_params p) {
  using namespace cosface::cuda;
  const int64_t within = blockIdx.x, c = p.first + within;
  if (!p.redo[within]) return;
  exact_shared& shared = gpu::shared<exact_shared>();
  const float* w = row(p.weights, c, p.dim);
  const double inverse_norm = inverse_of_norm(squared_norm_by_warp(w, p.dim));
  sum_exactly(
      shared, p.batch, p.dim, [&](int64_t i) { return p.embeddings + i * p.dim; },
      [&](int64_t i) {
        const sample_state& state = p.samples[i];
        if (p.targets[i] == c) return state.target_factor * state.inverse_norm;
        const double cosine = look_at_row(w, p.embeddings + i * p.dim, inverse_norm, p.dim).cosine;
        return exp2(p.base2_scale * cosine + state.shift) * state.negative_factor * state.inverse_norm;
      });
  if (threadIdx.x >= warp_size) return;
  const auto sum = [&](int64_t d) { return shared.sum[d]; };
  write_projected(p.d_weights + within * p.dim, w, p.dim, measure_projection(w, p.dim, sum), sum);
}
