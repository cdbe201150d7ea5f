// Pass 1 on tensor cores: one sweep over a chunk of classes gives loss sums, predictions and unnormalised dx.
//
//   grid     ceil(N / rows) x parts; a block takes `rows` samples through the classes of its part
//   in       row_units [padded N, D], class_units [padded count, D] half; targets; what the chunk before left in
//            partials and parts
//   out      partials [parts, padded N]; parts [parts, padded N, D]; target_seen; kept exponentials and their shifts
//   range    Half ends at 2^16, and which of a row's exponentials is the largest is known only at the end. So each row
//            has a whole-number shift: the first tile puts its largest negative below 2^6, and when one would pass
//            2^15 the shift is lowered and what has been summed is scaled, exactly, by a power of two. That is rare (a
//            logit 9 above the first tile's largest), and voting on it costs one barrier a tile. Any scale s goes:
//            there is no pass for row maxima here. Beside a largest term of 2^6 or more, one below 2^-25 vanishes:
//            C of them are C 2^-31 of it
//   error    cosine: half operands, 2^-12 an element; e in the sum: fp32, tile sums added with compensation; e in the
//            product: half. docs/cuda.md has the figures
//   tails    classes past the end and the target count nothing; samples past the end go along as zeros
//   barriers four a tile: tile there, vote, P there, tile free
#pragma once

#include "cuda/kernels/shifts.cuh"
#include "cuda/kernels/tensor_product.cuh"

namespace cosface::cuda {

constexpr float first_exponent = 6, largest_exponent = 15;
// The shift of a row that has met no negative: above every logit's negative, so that the first one sets it.
constexpr float no_shift = 3e38f;

template <int dim, int rows, int columns>
struct pass_1 {
  using tile = tensor_tile<dim, rows, columns>;

  // What a row's warps found, joined at the end.
  struct summary {
    float sum, best;
    int32_t best_class;
  };

  struct shared_memory {
    union {
      typename tile::tiles tiles;
      summary summaries[tile::column_groups][rows];  // once the tiles are done with
    };
    int32_t targets[rows];
    float shifts[rows];
    float scales[rows];  // of what was summed, when a shift changes
    float tile_best[tile::column_groups][rows];
  };
  static_assert(sizeof(shared_memory) <= tensor_shared_bytes(dim, rows, columns));

  // Of the two rows that a thread has scores of.
  struct row_sums {
    float sum[2] = {0, 0}, lost[2] = {0, 0};  // lost: what rounding took from sum
    float best[2] = {no_logit, no_logit};
    int32_t best_class[2] = {-1, -1};
  };

  const pass_1_params& p;
  shared_memory& shared;
  row_sums own{};
  typename tile::sum_registers sums;

  __device__ pass_1(const pass_1_params& params) : p(params), shared(gpu::shared<shared_memory>()) {}

  __device__ void run() {
    const int64_t first = part() * p.classes_per_part;
    const int64_t last = first + p.classes_per_part, end = last < p.count ? last : p.count;
    tile::template load<rows>(shared.tiles.resident, half_rows(p.row_units, first_row()));
    tile::template load<columns>(shared.tiles.streamed[0], half_rows(p.class_units, first));
    gpu::commit_copies();
    load_rows();
    tile::clear(sums);
    int at = 0;
    for (int64_t c = first; c < end; c += columns, at ^= 1) {
      if (c + columns < end) {
        tile::template load<columns>(shared.tiles.streamed[at ^ 1], half_rows(p.class_units, c + columns));
        gpu::commit_copies();
        gpu::wait_for_copies<1>();
      } else {
        gpu::wait_for_copies<0>();
      }
      BLOCK_BARRIER();
      take_tile(c, shared.tiles.streamed[at]);
      BLOCK_BARRIER();
    }
    write_partials();
    if (p.gradients) write_parts();
  }

 private:
  __device__ static const uint16_t* half_rows(const void* units, int64_t row) {
    return static_cast<const uint16_t*>(units) + row * dim;
  }
  // Found anew where they are wanted: kept, they are the registers too many of the widest tiles.
  __device__ static unsigned first_row() { return blockIdx.x * rows; }
  __device__ static int64_t part() { return blockIdx.y; }
  __device__ int64_t partial_index(int row) const { return part() * p.padded_batch + first_row() + row; }

  __device__ void load_rows() {
    const int r = static_cast<int>(threadIdx.x);
    if (r >= rows) return;
    shared.targets[r] = p.targets[first_row() + r];
    shared.shifts[r] = p.first_chunk ? no_shift : p.partials[partial_index(r)].shift;
  }

  __device__ void take_tile(int64_t c, const uint16_t* streamed) {
    typename tile::score_registers logits;
    bool too_large = false;
    if (tile::scores()) {
      tile::multiply_scores(shared.tiles.resident, streamed, logits);
      too_large = look_at_logits(c, logits);
    }
    if (BLOCK_ANY(too_large)) lower_shifts(logits);
    if (tile::scores()) exponentiate(logits);
    if (!p.gradients) return;
    BLOCK_BARRIER();
    tile::add_products(shared.tiles.product, streamed, sums);
    if (p.kept != nullptr) keep(c);
  }

  // Leaves no_logit where nothing counts. Whether an exponential would leave half's range.
  __device__ bool look_at_logits(int64_t first_class, typename tile::score_registers& logits) {
    bool too_large = false;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = tile::score_row(half);
      const int64_t target = shared.targets[row] - p.first;
      const float room = largest_exponent - shared.shifts[row];
#pragma unroll
      for (int n = 0; n < tile::score_tiles; n++)
#pragma unroll
        for (int j = 0; j < 2; j++) {
          float& logit = logits[n][2 * half + j];
          logit *= p.base2_scale;
          const int64_t c = first_class + tile::score_column(n, j);
          if (c == target) p.target_seen[first_row() + row] = logit;
          if (c == target || c >= p.count) {
            logit = no_logit;
            continue;
          }
          too_large |= logit > room;
          if (logit > own.best[half]) {
            own.best[half] = logit;
            own.best_class[half] = static_cast<int32_t>(p.first + c);
          }
        }
    }
    return too_large;
  }

  __device__ void lower_shifts(const typename tile::score_registers& logits) {
    if (tile::scores()) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float best = no_logit;
#pragma unroll
        for (int n = 0; n < tile::score_tiles; n++)
          best = fmaxf(best, fmaxf(logits[n][2 * half], logits[n][2 * half + 1]));
        best = fmaxf(best, SHUFFLE_XOR(best, 1));
        best = fmaxf(best, SHUFFLE_XOR(best, 2));
        if (tile::lane() % 4 == 0) shared.tile_best[tile::column_group()][tile::score_row(half)] = best;
      }
    }
    BLOCK_BARRIER();
    if (threadIdx.x < rows) lower_shift(static_cast<int>(threadIdx.x));
    BLOCK_BARRIER();
#pragma unroll
    for (int half = 0; half < 2; half++) {
      if (!tile::scores()) continue;
      own.sum[half] *= shared.scales[tile::score_row(half)];
      own.lost[half] *= shared.scales[tile::score_row(half)];
    }
#pragma unroll
    for (int m = 0; m < tile::sum_row_tiles; m++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float scale = shared.scales[tile::sum_row(m, half)];
#pragma unroll
        for (int n = 0; n < tile::slice_tiles; n++)
#pragma unroll
          for (int j = 0; j < 2; j++) sums[m][n][2 * half + j] *= scale;
      }
  }

  __device__ void lower_shift(int row) {
    float best = shared.tile_best[0][row];
#pragma unroll
    for (int group = 1; group < tile::column_groups; group++) best = fmaxf(best, shared.tile_best[group][row]);
    const float shift = shared.shifts[row];
    const bool lower = best > no_logit && best > largest_exponent - shift;
    const float next = lower ? first_exponent - ceilf(best) : shift;
    shared.shifts[row] = next;
    shared.scales[row] = lower ? ratio_of_shifts(next, shift) : 1;
  }

  __device__ void exponentiate(const typename tile::score_registers& logits) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = tile::score_row(half);
      const float shift = shared.shifts[row];
      float tile_sum = 0;
#pragma unroll
      for (int n = 0; n < tile::score_tiles; n++) {
        float e[2];
#pragma unroll
        for (int j = 0; j < 2; j++) {
          const float logit = logits[n][2 * half + j];
          e[j] = logit > no_logit ? gpu::exp2_approximate(logit + shift) : 0;
          tile_sum += e[j];
        }
        if (p.gradients) tile::store_pair(shared.tiles.product, row, tile::score_column(n, 0), e[0], e[1]);
      }
      add_compensated(own.sum[half], own.lost[half], tile_sum);
    }
  }

  // Kahan: the error of a sum of n tiles stays at 2^-23, not n 2^-24.
  __device__ static void add_compensated(float& sum, float& lost, float value) {
    const float wanted = value - lost, next = sum + wanted;
    lost = (next - sum) - wanted;
    sum = next;
  }

  __device__ void keep(int64_t c) {
    constexpr int pieces_per_row = columns / halves_per_piece;
    for (int k = static_cast<int>(threadIdx.x); k < rows * pieces_per_row; k += tensor_threads) {
      const int row = k / pieces_per_row, piece = k % pieces_per_row;
      gpu::copy_16(static_cast<uint16_t*>(p.kept) + (first_row() + row) * p.kept_stride + c + piece * halves_per_piece,
                   shared.tiles.product + swizzled<columns>(row, piece));
    }
    if (threadIdx.x < rows)
      p.kept_shifts[c / columns * p.padded_batch + first_row() + threadIdx.x] = shared.shifts[threadIdx.x];
  }

  __device__ void write_partials() {
    if (tile::scores()) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const summary whole = join_quad({own.sum[half], own.best[half], own.best_class[half]});
        if (tile::lane() % 4 == 0) shared.summaries[tile::column_group()][tile::score_row(half)] = whole;
      }
    }
    BLOCK_BARRIER();
    if (threadIdx.x < rows) write_partial(static_cast<int>(threadIdx.x));
    BLOCK_BARRIER();
  }

  __device__ static void join(summary& whole, const summary& other) {
    whole.sum += other.sum;
    const bool better = other.best > whole.best || (other.best == whole.best && other.best_class < whole.best_class);
    if (!better) return;
    whole.best = other.best;
    whole.best_class = other.best_class;
  }

  // Over the four lanes that share a row.
  __device__ static summary join_quad(summary own) {
#pragma unroll
    for (int mask = 1; mask < 4; mask *= 2) {
      const summary other{SHUFFLE_XOR(own.sum, mask), SHUFFLE_XOR(own.best, mask), SHUFFLE_XOR(own.best_class, mask)};
      join(own, other);
    }
    return own;
  }

  __device__ void write_partial(int row) {
    summary whole = shared.summaries[0][row];
#pragma unroll
    for (int group = 1; group < tile::column_groups; group++) join(whole, shared.summaries[group][row]);
    row_partial& partial = p.partials[partial_index(row)];
    row_partial next{whole.sum, shared.shifts[row], whole.best, whole.best_class, 0};
    shared.scales[row] = 0;
    if (!p.first_chunk) {
      shared.scales[row] = ratio_of_shifts(next.shift, partial.shift);
      next.sum += partial.sum * shared.scales[row];
      if (partial.best >= next.best) {  // earlier chunks have lower classes
        next.best = partial.best;
        next.best_class = partial.best_class;
      }
    }
    partial = next;
  }

  __device__ void write_parts() {
    tile::for_each_pair(sums, [&](int row, int column, float first, float second) {
      float* out = p.parts + partial_index(row) * dim + column;
      const float scale = shared.scales[row];
      out[0] = p.first_chunk ? first : out[0] * scale + first;
      out[1] = p.first_chunk ? second : out[1] * scale + second;
    });
  }
};

}  // namespace cosface::cuda

#define COSFACE_PASS_1(dim, rows, columns)                                                       \
  extern "C" __global__ void __launch_bounds__(cosface::cuda::tensor_threads, dim < 256 ? 2 : 1) \
      cosface_pass_1_##dim##_##rows##x##columns(cosface::cuda::pass_1_params p) {                \
    cosface::cuda::pass_1<dim, rows, columns>(p).run();                                          \
  }
COSFACE_TENSOR_TILES(COSFACE_PASS_1)
#undef COSFACE_PASS_1
