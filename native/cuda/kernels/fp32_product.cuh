// The matrix product of the general path: 128 x 64 sums by 256 threads in plain fp32, for any D.
//
//   in       two operands in device memory, padded with zeros to whole tiles and aligned to 16 bytes, each stored with
//            the summed index k along its rows (element (m, k) at m ld + k) or across them (at k ld + m)
//   out      32 sums a thread, handed to the caller's epilogue by row and column
//   traffic  a block reads (128 + 64) 4 bytes for 2 x 128 x 64 flops a step of k: 21 flops a byte of L2
//   shared   two stages of 16 k, the next one under way by cp.async while this one is multiplied. k along rows: rows of
//            16 + 4 floats, so that the eight rows which an eighth of a warp reads 16 bytes of lie in different banks;
//            k across: 16 consecutive bytes a thread, no padding needed
//   error    a sum is at most 64 products in a row, then added to the running one: at worst (64 + K / 64) 2^-24
//   tails    none: the padding is multiplied too
#pragma once

#include "cuda/gpu.h"
#include "cuda/params.h"

namespace cosface::cuda {

enum class k_index {
  along_rows,
  across_rows
};

constexpr int product_rows = 128, product_columns = 64, product_step = 16, product_threads = 256;
constexpr int steps_per_sum = 4;
constexpr int thread_rows = 8, thread_columns = 4;
constexpr int padded_step = product_step + 4;

// A stage of one operand: `extent` rows or columns of the result, 16 of k.
template <k_index layout, int extent>
struct operand_stage {
  static constexpr bool along = layout == k_index::along_rows;
  static constexpr int stride = along ? padded_step : extent;
  float values[along ? extent * stride : product_step * stride];

  // Elements [first, first + extent) x [k, k + 16) of an operand.
  __device__ void load(const float* operand, int64_t ld, int64_t first, int64_t k) {
    constexpr int pieces_per_row = (along ? product_step : extent) / 4;
    constexpr int pieces = extent * product_step / 4;
#pragma unroll
    for (int turn = 0; turn < pieces / product_threads; turn++) {
      const int piece = static_cast<int>(threadIdx.x) + turn * product_threads;
      const int r = piece / pieces_per_row, column = piece % pieces_per_row * 4;
      const float* from = along ? operand + (first + r) * ld + k + column : operand + (k + r) * ld + first + column;
      gpu::copy_async_16(values + r * stride + column, from);
    }
  }

  // Row (or column) of the result that is the thread's number `index` of `count`, for thread `t` of `threads` along
  // this side. Neighbouring threads have neighbouring rows where k runs along them, and neighbouring fours elsewhere.
  template <int count, int threads>
  __device__ static int place(int t, int index) {
    return along ? t + threads * index : index / 4 * (threads * 4) + t * 4 + index % 4;
  }

  // Four elements that the thread reads at once: of k along its row number `index`, or of its rows from `index` on at
  // k.
  template <int threads>
  __device__ void read_4(float (&out)[4], int t, int index, int k) const {
    gpu::load_4(out,
                values + (along ? (t + threads * index) * stride + k : k * stride + index / 4 * (threads * 4) + t * 4));
  }
};

struct fp32_operand {
  const float* data;
  int64_t ld;
  int64_t first;  // row or column of the result
};

// A thread's place in the block: 16 x 16, a warp 8 x 4 of it.
struct product_thread {
  int row, column;
};

__device__ inline product_thread place_in_product() {
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  return {warp % 2 * 8 + lane % 8, warp / 2 * 4 + lane / 8};
}

template <k_index a_layout, k_index b_layout>
struct fp32_product {
  using a_stage = operand_stage<a_layout, product_rows>;
  using b_stage = operand_stage<b_layout, product_columns>;
  struct stage {
    alignas(16) a_stage a;
    alignas(16) b_stage b;
  };
  struct shared_memory {
    stage stages[2];
  };

  float sums[thread_rows][thread_columns];

  __device__ static int row_of(int index) {
    return a_stage::template place<thread_rows, 16>(place_in_product().row, index);
  }
  __device__ static int column_of(int index) {
    return b_stage::template place<thread_columns, 16>(place_in_product().column, index);
  }

  // sums = sum of k in [k_first, k_end) of a(m, k) b(n, k), a whole number of steps. Barriers: all threads come here;
  // shared memory is free for other use when it returns.
  __device__ void multiply(shared_memory& shared, const fp32_operand& a, const fp32_operand& b, int64_t k_first,
                           int64_t k_end) {
    float running[thread_rows][thread_columns] = {};
    clear(sums);
    if (k_first >= k_end) return;
    load(shared.stages[0], a, b, k_first);
    int at = 0, steps = 0;
    for (int64_t k = k_first; k < k_end; k += product_step, at ^= 1) {
      const bool more = k + product_step < k_end;
      if (more) load(shared.stages[at ^ 1], a, b, k + product_step);
      if (more)
        gpu::wait_for_copies<1>();
      else
        gpu::wait_for_copies<0>();
      BLOCK_BARRIER();
      multiply_stage(shared.stages[at], running);
      if (++steps == steps_per_sum) {
        flush(running);
        steps = 0;
      }
      BLOCK_BARRIER();  // the next turn overwrites this stage
    }
    flush(running);
  }

 private:
  using tile = float[thread_rows][thread_columns];

  __device__ static void load(stage& s, const fp32_operand& a, const fp32_operand& b, int64_t k) {
    s.a.load(a.data, a.ld, a.first, k);
    s.b.load(b.data, b.ld, b.first, k);
    gpu::commit_copies();
  }

  __device__ static void clear(tile& t) {
#pragma unroll
    for (int r = 0; r < thread_rows; r++)
#pragma unroll
      for (int c = 0; c < thread_columns; c++) t[r][c] = 0;
  }

  __device__ void flush(tile& running) {
#pragma unroll
    for (int r = 0; r < thread_rows; r++)
#pragma unroll
      for (int c = 0; c < thread_columns; c++) sums[r][c] += running[r][c];
    clear(running);
  }

  // The columns' elements stay in registers for four k; the rows' pass by.
  __device__ static void multiply_stage(const stage& s, tile& running) {
    const product_thread here = place_in_product();
#pragma unroll 1  // all at once, the compiler would hoist the loads and spill
    for (int k = 0; k < product_step; k += 4) {
      float b[thread_columns][4];
      read_columns(b, s.b, here.column, k);
#pragma unroll
      for (int r = 0; r < thread_rows; r += rows_at_a_time)
#pragma unroll
        for (int step = 0; step < 4; step += steps_at_a_time) {
          float a[4];
          s.a.template read_4<16>(a, here.row, r, k + step);
#pragma unroll
          for (int index = 0; index < 4; index++)
#pragma unroll
            for (int c = 0; c < thread_columns; c++) {
              float& sum = running[r + (a_stage::along ? 0 : index)][c];
              sum = fmaf(a[index], b[c][step + (a_stage::along ? index : 0)], sum);
            }
        }
    }
  }

  static constexpr int rows_at_a_time = a_stage::along ? 1 : 4, steps_at_a_time = a_stage::along ? 4 : 1;

  __device__ static void read_columns(float (&b)[thread_columns][4], const b_stage& stage, int t, int k) {
#pragma unroll
    for (int index = 0; index < 4; index++) {
      float four[4];
      stage.template read_4<16>(four, t, b_stage::along ? index : 0, b_stage::along ? k : k + index);
#pragma unroll
      for (int other = 0; other < 4; other++) {
        if (b_stage::along)
          b[index][other] = four[other];
        else
          b[other][index] = four[other];
      }
    }
  }
};

}  // namespace cosface::cuda
