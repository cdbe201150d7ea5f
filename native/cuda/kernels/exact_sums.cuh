// Gradients whose sums fp32 is not good enough for, once more in double. General path only.
//
//   in       redo: which rows (or classes of the chunk); x, w, samples with their final factors
//   out      d_embeddings or d_weights of those
//   passes   a block per row: the others 32 at a time, eight dot products a warp, then every thread adds up its
//   features.
//            Rows without the flag leave at once
//   cost     4 C K D flops in double a row. Rare (docs/math.md, section 6): few dimensions, or samples and centres that
//            have collapsed onto a line
//   shared   D doubles and 32 summands: 33 KB at D = 4096
#pragma once

#include "cuda/kernels/finish_classes.cuh"
#include "cuda/kernels/finish_rows.cuh"

namespace cosface::cuda {

constexpr int exact_threads = 128, exact_warps = exact_threads / warp_size;
constexpr int exact_others = 32;  // at a time

struct exact_shared {
  summand others[exact_others];
  double sum[1];  // [dim]
};

// sum[d] = sum over the others of coefficient row[d]. `summand_of(other)` is called by whole warps.
template <class row_function, class summand_function>
__device__ void sum_exactly(exact_shared& shared, int64_t others, int64_t dim, const row_function& row_of,
                            const summand_function& summand_of) {
  const int64_t thread = threadIdx.x;
  for (int64_t d = thread; d < dim; d += exact_threads) shared.sum[d] = 0;
  for (int64_t first = 0; first < others; first += exact_others) {
    const int64_t count = others - first < exact_others ? others - first : exact_others;
    for (int64_t k = thread / warp_size; k < count; k += exact_warps) {
      const summand value = summand_of(first + k);
      if (lane_of_thread() == 0) shared.others[k] = value;
    }
    BLOCK_BARRIER();
    for (int64_t d = thread; d < dim; d += exact_threads) {
      double sum = shared.sum[d];
      for (int64_t k = 0; k < count; k++) sum += shared.others[k].coefficient * row_of(shared.others[k].row)[d];
      shared.sum[d] = sum;
    }
    BLOCK_BARRIER();
  }
}

// What the lengths that are kept add along x_i.
__device__ inline double along_sample(const source_problem& p, int64_t i) {
  const sample_state& state = p.samples[i];
  if (p.options.normalize_embeddings || state.target_row < 0) return 0;
  const float* w = row(p.weights, state.target_row, p.dim);
  return state.along * lengths_of_row(p, w).length * state.inverse_norm;
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128, 4) cosface_redo_rows(cosface::cuda::redo_rows_params p) {
  using namespace cosface::cuda;
  const source_problem& whole = p.problem;
  const int64_t i = blockIdx.x, dim = whole.dim;
  if (!p.redo[i]) return;
  exact_shared& shared = gpu::shared<exact_shared>();
  sum_exactly(
      shared, whole.classes, dim, [&](int64_t r) { return row(whole.weights, r, dim); },
      [&](int64_t c) { return summand_of_class(whole, i, c); });
  if (threadIdx.x >= warp_size) return;
  const float* x = whole.embeddings + i * dim;
  const double along = along_sample(whole, i);
  const auto sum = [&](int64_t d) { return shared.sum[d] + along * x[d]; };
  const bool normalised = whole.options.normalize_embeddings;
  write_projected(p.d_embeddings + i * dim, x, dim, measure_projection(x, dim, normalised, sum), sum);
}

extern "C" __global__ void __launch_bounds__(128, 4) cosface_redo_classes(cosface::cuda::redo_classes_params p) {
  using namespace cosface::cuda;
  const source_problem& whole = p.problem;
  const int64_t within = blockIdx.x, r = p.first + within, dim = whole.dim;
  if (!p.redo[within]) return;
  exact_shared& shared = gpu::shared<exact_shared>();
  sum_exactly(
      shared, whole.batch, dim, [&](int64_t i) { return whole.embeddings + i * dim; },
      [&](int64_t i) {
        // Only the nearest row has an exponential that is not 0.
        const bool nearest = whole.weights.centers == 1 || p.exponentials[within * p.padded_batch + i] != 0;
        return summand_of_sample(whole, i, r, nearest);
      });
  if (threadIdx.x >= warp_size) return;
  const float* w = row(whole.weights, r, dim);
  const double along = along_row(targets_of_row(whole, p.order, p.ordered_labels, r), w);
  const auto sum = [&](int64_t d) { return shared.sum[d] + along * w[d]; };
  write_projected(p.d_weights + within * dim, w, dim, measure_projection(w, dim, whole.weights.normalised, sum), sum);
}
