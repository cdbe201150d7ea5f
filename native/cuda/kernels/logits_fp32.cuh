// Logits of a chunk of classes, and what the rows need of them. General path.
//
//   in       class_units [padded count, padded D] w^; row_units [padded N, padded D] s log2(e) x^; shifts [padded N]
//   out      of each tile of 128 classes and each row: sum of exponentials, largest logit of a negative and the lowest
//            class that has it; target_seen; the exponentials [class][sample], 0 for the target and the padding.
//            With the aim row_maxima only the largest logits, with scores only the products as they are
//   passes   grid: padded N / 64 x class tiles; a block forms 128 x 64 logits, keeps them in shared memory, goes down
//            the classes with four threads a row, and writes them out by rows
//   range    2^(logit + shift) with the shift of docs/math.md section 2: at most 2^124 in sum, never all vanishing
//   error    ex2.approx: 2^-22 relative (PTX ISA); sums of 32 terms in a row, four of them added, then double in
//            fold_tiles
//   banks    the tile's rows are 68 floats apart: a warp's 8 x 4 logits meet 32 banks, and a warp reads 32 rows abreast
#pragma once

#include "cuda/kernels/fp32_product.cuh"

namespace cosface::cuda {

using logit_product = fp32_product<k_index::along_rows, k_index::along_rows>;

constexpr int tile_stride = product_columns + 4;
constexpr int quarters = product_threads / product_columns, classes_per_quarter = product_rows / quarters;

struct logit_summary {
  float sum, best;
  int32_t best_class;
};

union logit_shared {
  logit_product::shared_memory product;
  struct {
    float tile[product_rows][tile_stride];
    logit_summary summaries[quarters][product_columns];
  } logits;
};

// Down 32 classes of one row: turns logits into exponentials in place.
__device__ inline logit_summary summarise_quarter(const logits_fp32_params& p, logit_shared& shared,
                                                  int64_t first_class, int64_t i) {
  const int column = static_cast<int>(threadIdx.x) % product_columns;
  const int first = static_cast<int>(threadIdx.x) / product_columns * classes_per_quarter;
  const int32_t target = p.targets[i];
  const float shift = p.shifts[i];
  const bool exponentials = p.aim == logit_aim::exponentials;
  logit_summary summary{0, no_logit, -1};
  for (int k = first; k < first + classes_per_quarter; k++) {
    float& value = shared.logits.tile[k][column];
    const float logit = value;
    const int64_t within = first_class + k, c = p.first + within;
    value = 0;
    if (within >= p.count) continue;
    if (c == target) {
      if (exponentials) p.target_seen[i] = logit;
      continue;
    }
    if (logit > summary.best) {
      summary.best = logit;
      summary.best_class = static_cast<int32_t>(c);
    }
    if (exponentials) summary.sum += value = gpu::exp2_approximate(logit + shift);
  }
  return summary;
}

__device__ inline void write_summary(const logits_fp32_params& p, const logit_shared& shared, int64_t first_row) {
  const int column = static_cast<int>(threadIdx.x);
  logit_summary whole = shared.logits.summaries[0][column];
  for (int q = 1; q < quarters; q++) {
    const logit_summary& next = shared.logits.summaries[q][column];
    whole.sum += next.sum;
    if (next.best > whole.best) {
      whole.best = next.best;
      whole.best_class = next.best_class;
    }
  }
  const int64_t k = static_cast<int64_t>(blockIdx.y) * p.padded_batch + first_row + column;
  p.tile_sums[k] = whole.sum;
  p.tile_best[k] = whole.best;
  p.tile_best_class[k] = whole.best_class;
}

__device__ inline void write_exponentials(const logits_fp32_params& p, const logit_shared& shared, int64_t first_class,
                                          int64_t first_row) {
  constexpr int pieces_per_class = product_columns / 4;
  for (int piece = static_cast<int>(threadIdx.x); piece < product_rows * pieces_per_class; piece += product_threads) {
    const int c = piece / pieces_per_class, column = piece % pieces_per_class * 4;
    float values[4];
    gpu::load_4(values, &shared.logits.tile[c][column]);
    gpu::store_4(p.exponentials + (first_class + c) * p.padded_batch + first_row + column, values);
  }
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(256, 2) cosface_logits_fp32(cosface::cuda::logits_fp32_params p) {
  using namespace cosface::cuda;
  logit_shared& shared = gpu::shared<logit_shared>();
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * product_columns;
  const int64_t first_class = static_cast<int64_t>(blockIdx.y) * product_rows;
  logit_product product;
  product.multiply(shared.product, {p.class_units, p.padded_dim, first_class}, {p.row_units, p.padded_dim, first_row},
                   0, p.depth);
#pragma unroll
  for (int r = 0; r < thread_rows; r++)
#pragma unroll
    for (int c = 0; c < thread_columns; c++)
      shared.logits.tile[logit_product::row_of(r)][logit_product::column_of(c)] = product.sums[r][c];
  BLOCK_BARRIER();
  if (p.aim == logit_aim::scores) return write_exponentials(p, shared, first_class, first_row);
  const int column = static_cast<int>(threadIdx.x) % product_columns;
  shared.logits.summaries[threadIdx.x / product_columns][column] =
      summarise_quarter(p, shared, first_class, first_row + column);
  BLOCK_BARRIER();
  if (threadIdx.x < product_columns) write_summary(p, shared, first_row);
  if (p.exponentials != nullptr) write_exponentials(p, shared, first_class, first_row);
}
