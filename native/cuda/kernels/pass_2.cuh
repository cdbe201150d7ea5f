// Pass 2 on tensor cores: dw of a chunk of classes, each block written once, by one block.
//
//   grid     ceil(count / rows); a block takes `rows` classes through all samples
//   in       row_units, class_units half; factors [padded N]; kept exponentials, or none: then they are formed again
//   out      d_weights [count, D]: sum_i q_ic x^_i without unit, targets and projection (finish_classes)
//   range    q = 2^14 times a probability over the batch's largest: at most 2^14, and half holds it down to 2^-24
//            (sample_gradient.cuh)
//   error    as pass 1; a dominant negative's logit comes from double (finish_rows)
//   tails    classes past the end are not written, samples past the end have sign 0
#pragma once

#include "cuda/kernels/pass_1.cuh"
#include "cuda/kernels/sample_gradient.cuh"

namespace cosface::cuda {

template <int dim, int rows, int columns>
struct pass_2 {
  using tile = tensor_tile<dim, rows, columns>;

  struct shared_memory {
    typename tile::tiles tiles;
    row_factor factors[columns];
  };
  static_assert(sizeof(shared_memory) <= tensor_shared_bytes(dim, rows, columns));

  const pass_2_params& p;
  shared_memory& shared;
  const int64_t first_class;  // within the chunk
  const float unit_exponent;  // of what every factor is divided by

  __device__ pass_2(const pass_2_params& params)
      : p(params),
        shared(gpu::shared<shared_memory>()),
        first_class(static_cast<int64_t>(blockIdx.x) * rows),
        unit_exponent(p.log2_scale + static_cast<float>(pull_exponent(*p.report) - probability_bits)) {}

  __device__ void run() {
    const uint16_t* row_units = static_cast<const uint16_t*>(p.row_units);
    if (p.kept == nullptr)
      tile::template load<rows>(shared.tiles.resident, static_cast<const uint16_t*>(p.class_units) + first_class * dim);
    tile::template load<columns>(shared.tiles.streamed[0], row_units);
    gpu::commit_copies();
    typename tile::sum_registers sums;
    tile::clear(sums);
    int at = 0;
    for (int64_t i = 0; i < p.batch; i += columns, at ^= 1) {
      if (threadIdx.x < columns) load_factor(i);
      if (i + columns < p.batch) {
        tile::template load<columns>(shared.tiles.streamed[at ^ 1], row_units + (i + columns) * dim);
        gpu::commit_copies();
        gpu::wait_for_copies<1>();
      } else {
        gpu::wait_for_copies<0>();
      }
      BLOCK_BARRIER();
      if (p.kept != nullptr)
        read_kept(i);
      else if (tile::scores())
        form_again(shared.tiles.streamed[at]);
      BLOCK_BARRIER();
      tile::add_products(shared.tiles.product, shared.tiles.streamed[at], sums);
      BLOCK_BARRIER();
    }
    tile::for_each_pair(sums, [&](int row, int column, float first, float second) {
      if (first_class + row >= p.count) return;
      float* out = p.d_weights + (first_class + row) * dim + column;
      out[0] = first;
      out[1] = second;
    });
  }

 private:
  __device__ void load_factor(int64_t first_sample) {
    row_factor factor = p.factors[first_sample + threadIdx.x];
    factor.exponent -= unit_exponent;
    shared.factors[threadIdx.x] = factor;
  }

  // A logit far off (half operands at a huge s) may say more than 1: no further than half reaches.
  __device__ static float scaled_probability(const row_factor& f, float logit) {
    return f.sign * gpu::exp2_approximate(fminf(logit + f.exponent, largest_exponent));
  }
  __device__ bool counts(const row_factor& f, int64_t c) const {
    return f.sign != 0 && c != f.label && c < p.first + p.count;
  }

  __device__ void form_again(const uint16_t* streamed) {
    typename tile::score_registers logits;
    tile::multiply_scores(shared.tiles.resident, streamed, logits);
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = tile::score_row(half);
      const int64_t c = p.first + first_class + row;
#pragma unroll
      for (int n = 0; n < tile::score_tiles; n++) {
        float q[2];
#pragma unroll
        for (int j = 0; j < 2; j++) {
          const row_factor& f = shared.factors[tile::score_column(n, j)];
          const float logit = c == f.exact_class ? f.exact_logit : logits[n][2 * half + j] * p.base2_scale;
          q[j] = counts(f, c) ? scaled_probability(f, logit) : 0;
        }
        tile::store_pair(shared.tiles.product, row, tile::score_column(n, 0), q[0], q[1]);
      }
    }
  }

  // Kept [sample][class]; P is [class][sample]: two by two elements a thread, neighbouring classes side by side.
  __device__ void read_kept(int64_t first_sample) {
    const uint16_t* kept = static_cast<const uint16_t*>(p.kept) + first_sample * p.kept_stride + first_class;
    for (int k = static_cast<int>(threadIdx.x); k < rows / 2 * (columns / 2); k += tensor_threads) {
      const int row = k % (rows / 2) * 2, column = k / (rows / 2) * 2;
      float q[2][2];  // [sample][class]
#pragma unroll
      for (int s = 0; s < 2; s++) {
        gpu::load_half2(kept + (column + s) * p.kept_stride + row, q[s][0], q[s][1]);
        const row_factor& f = shared.factors[column + s];
        const float shift = p.kept_shifts[(first_class + row) / columns * p.padded_batch + first_sample + column + s];
        const float scale = f.sign == 0 ? 0 : f.sign * gpu::exp2_approximate(f.exponent - shift);
#pragma unroll
        for (int j = 0; j < 2; j++)
          q[s][j] =
              p.first + first_class + row + j == f.exact_class ? scaled_probability(f, f.exact_logit) : q[s][j] * scale;
      }
#pragma unroll
      for (int j = 0; j < 2; j++) tile::store_pair(shared.tiles.product, row + j, column, q[0][j], q[1][j]);
    }
  }
};

}  // namespace cosface::cuda

#define COSFACE_PASS_2(dim, rows, columns)                                                       \
  extern "C" __global__ void __launch_bounds__(cosface::cuda::tensor_threads, dim < 256 ? 2 : 1) \
      cosface_pass_2_##dim##_##rows##x##columns(cosface::cuda::pass_2_params p) {                \
    cosface::cuda::pass_2<dim, rows, columns>(p).run();                                          \
  }
COSFACE_TENSOR_TILES(COSFACE_PASS_2)
#undef COSFACE_PASS_2
