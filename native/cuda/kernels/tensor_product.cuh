// The two matrix products of a fused pass on tensor cores, a block of 256 threads.
//
//   scores   S[r, c] = sum_d resident[r, d] streamed[c, d]       16 rows x 16 .. 32 columns a warp, in registers
//   sums     A[r, d] += sum_c P[r, c] streamed[c, d]             a slice of D a warp, in registers over the whole sweep
//
// P is a function of S, rounded to half, and goes through shared memory, since the warp that forms a row of S needs
// only a slice of D of its A. Both products read the same streamed tile, once by rows and once transposed
// (ldmatrix .trans).
//
//   operands  half (IEEE binary16); products exact, summed in fp32 by mma.m16n8k16. Measured against bf16: docs/cuda.md
//   shared    no padding: 16-byte pieces of row r lie at piece ^ (r mod 8), so that the eight rows of an ldmatrix meet
//             all banks. Rows of 32 halves: piece ^ (r / 2 mod 4), since two of them fill the banks
//   traffic   64 x 64, D = 512: scores 3 ldmatrix.x4 for 4 mma a warp, sums 8 for 32
//   loads     cp.async, the next streamed tile under way while this one is used
#pragma once

#include "cuda/gpu.h"
#include "cuda/params.h"
#include "cuda/tensor_tiles.h"

namespace cosface::cuda {

constexpr int halves_per_piece = 8;  // 16 bytes

template <int stride>
__device__ inline int swizzled(int row, int piece) {
  const int key = stride >= 64 ? row & 7 : row >> 1 & 3;
  return row * stride + ((piece ^ key) * halves_per_piece);
}

template <int dim, int rows, int columns>
struct tensor_tile {
  static constexpr int warps = tensor_threads / 32;
  static constexpr int row_groups = rows / 16;
  static constexpr int column_groups = columns / 16 < warps / row_groups ? columns / 16 : warps / row_groups;
  static constexpr int score_columns = columns / column_groups;  // of a warp
  static constexpr int score_tiles = score_columns / 8;

  static constexpr int slices = dim >= 256 ? 8 : 4;  // of D, over warps
  static constexpr int row_halves = warps / slices;  // of the rows, over warps
  static constexpr int slice = dim / slices, slice_tiles = slice / 8;
  static constexpr int sum_rows = rows / row_halves, sum_row_tiles = sum_rows / 16;
  static_assert(rows % 32 == 0 && columns % 32 == 0 && slice % 16 == 0 && sum_rows % 16 == 0);

  struct tiles {
    uint16_t resident[rows * dim];
    uint16_t streamed[2][columns * dim];
    uint16_t product[rows * columns];
  };

  using score_registers = float[score_tiles][4];
  using sum_registers = float[sum_row_tiles][slice_tiles][4];

  __device__ static int lane() { return static_cast<int>(threadIdx.x % 32); }
  __device__ static int warp() { return static_cast<int>(threadIdx.x / 32); }
  // Whether this warp forms scores: all do, but for the narrowest tile.
  __device__ static bool scores() { return warp() < row_groups * column_groups; }
  __device__ static int column_group() { return warp() / row_groups; }

  // Where element `j` of a score tile stands. Halves of a pair (j = 0, 1 and 2, 3) are neighbours.
  __device__ static int score_row(int half) { return warp() % row_groups * 16 + lane() / 4 + half * 8; }
  __device__ static int score_column(int tile, int j) {
    return column_group() * score_columns + tile * 8 + lane() % 4 * 2 + j % 2;
  }
  __device__ static int sum_row(int tile, int half) {
    return warp() / slices * sum_rows + tile * 16 + lane() / 4 + half * 8;
  }
  __device__ static int sum_column(int tile) { return warp() % slices * slice + tile * 8 + lane() % 4 * 2; }

  // `count` rows of D halves into shared memory; they lie one after the other.
  template <int count>
  __device__ static void load(uint16_t* to, const uint16_t* from) {
    constexpr int pieces_per_row = dim / halves_per_piece;
    static_assert(count * pieces_per_row % tensor_threads == 0);
#pragma unroll 4
    for (int turn = 0; turn < count * pieces_per_row / tensor_threads; turn++) {
      const int k = static_cast<int>(threadIdx.x) + turn * tensor_threads;
      const int r = k / pieces_per_row, piece = k % pieces_per_row;
      gpu::copy_async_16(to + swizzled<dim>(r, piece), from + static_cast<int64_t>(k) * halves_per_piece);
    }
  }

  __device__ static void multiply_scores(const uint16_t* resident, const uint16_t* streamed, score_registers& s) {
#pragma unroll
    for (int n = 0; n < score_tiles; n++)
#pragma unroll
      for (int j = 0; j < 4; j++) s[n][j] = 0;
    const int l = lane();
    const int a_row = warp() % row_groups * 16 + l % 16, a_piece = l / 16;
    const int b_row = column_group() * score_columns + l % 8 + l / 16 * 8, b_piece = l / 8 % 2;
#pragma unroll 4
    for (int k = 0; k < dim / 16; k++) {
      uint32_t a[4];
      LOAD_MATRICES(a, resident + swizzled<dim>(a_row, 2 * k + a_piece));
#pragma unroll
      for (int n = 0; n < score_tiles; n += 2) {
        uint32_t b[4];
        LOAD_MATRICES(b, streamed + swizzled<dim>(b_row + n * 8, 2 * k + b_piece));
        MULTIPLY_HALF(s[n], a, b[0], b[1]);
        MULTIPLY_HALF(s[n + 1], a, b[2], b[3]);
      }
    }
  }

  // Two neighbouring elements of P.
  __device__ static void store_pair(uint16_t* product, int row, int column, float first, float second) {
    uint16_t* at = product + swizzled<columns>(row, column / halves_per_piece) + column % halves_per_piece;
    gpu::store_half2(at, first, second);
  }

  __device__ static void clear(sum_registers& sums) {
#pragma unroll
    for (int m = 0; m < sum_row_tiles; m++)
#pragma unroll
      for (int n = 0; n < slice_tiles; n++)
#pragma unroll
        for (int j = 0; j < 4; j++) sums[m][n][j] = 0;
  }

  __device__ static void add_products(const uint16_t* product, const uint16_t* streamed, sum_registers& sums) {
    const int l = lane();
#pragma unroll
    for (int k = 0; k < columns / 16; k++) {
      uint32_t b[slice_tiles / 2][4];
#pragma unroll
      for (int n = 0; n < slice_tiles / 2; n++) {
        const int piece = warp() % slices * (slice / halves_per_piece) + 2 * n + l / 16;
        LOAD_MATRICES_TRANSPOSED(b[n], streamed + swizzled<dim>(k * 16 + l % 16, piece));
      }
#pragma unroll
      for (int m = 0; m < sum_row_tiles; m++) {
        uint32_t a[4];
        LOAD_MATRICES(a, product + swizzled<columns>(sum_row(m, 0) - l / 4 + l % 16, 2 * k + l / 16));
#pragma unroll
        for (int n = 0; n < slice_tiles / 2; n++) {
          MULTIPLY_HALF(sums[m][2 * n], a, b[n][0], b[n][1]);
          MULTIPLY_HALF(sums[m][2 * n + 1], a, b[n][2], b[n][3]);
        }
      }
    }
  }

  // Calls f(row, column, first, second) for each pair of neighbouring sums that the thread has.
  template <class function>
  __device__ static void for_each_pair(const sum_registers& sums, const function& f) {
#pragma unroll
    for (int m = 0; m < sum_row_tiles; m++)
#pragma unroll
      for (int half = 0; half < 2; half++)
#pragma unroll
        for (int n = 0; n < slice_tiles; n++)
          f(sum_row(m, half), sum_column(n), sums[m][n][2 * half], sums[m][n][2 * half + 1]);
  }
};

}  // namespace cosface::cuda
