// A warp's work on one row: which row, which features, and sums whose order is fixed.
//
// Kernels that go over rows of D values give each row one warp: lane l has features l, l + 32, ... The butterfly adds
// the same two values on both of its sides, so every lane ends with the same bits, whatever the schedule.
#pragma once

#include "cosface/margin_softmax.h"
#include "cuda/gpu.h"
#include "cuda/params.h"

namespace cosface::cuda {

constexpr int warp_size = 32;
// Of the kernels that give a warp to a row. A warp whose row is past the end leaves as a whole.
constexpr int rows_per_block = 4, row_block_threads = rows_per_block * warp_size;

__device__ inline int64_t row_of_warp() {
  return static_cast<int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / warp_size;
}
__device__ inline int lane_of_thread() { return static_cast<int>(threadIdx.x % warp_size); }

__device__ inline double warp_sum(double value) {
#pragma unroll
  for (int mask = warp_size / 2; mask > 0; mask /= 2) value += SHUFFLE_XOR(value, mask);
  return value;
}

// 1 / |v|, and 0 for a zero row.
__device__ inline double inverse_of_norm(double squared) {
  const double norm = sqrt(squared);
  return norm < COSFACE_ZERO_NORM ? 0 : 1 / norm;
}

__device__ inline int64_t place_of_row(const matrix_rows& m, int64_t r) {
  if (m.ids == nullptr) return r;
  if (m.centers == 1) return m.ids[r];
  return static_cast<int64_t>(m.ids[r / m.centers]) * m.centers + r % m.centers;
}

__device__ inline const float* row(const matrix_rows& m, int64_t r, int64_t dim) {
  return m.data + place_of_row(m, r) * dim;
}

struct row_lengths {
  double inverse_norm;  // 1 / |v|, and 0 for a zero row
  double factor;        // of v as the products see it: 1 / |v|, or 1 where it is not normalised
  double length;        // |v| where it is not normalised, else 1
};

__device__ inline row_lengths lengths_of_row(bool normalised, double squared) {
  const double inverse = inverse_of_norm(squared);
  return {inverse, normalised ? inverse : 1, normalised ? 1 : sqrt(squared)};
}

// Without a division where there are no sub-centers.
__device__ inline int64_t class_of_row(const matrix_rows& m, int64_t r) { return m.centers == 1 ? r : r / m.centers; }

}  // namespace cosface::cuda
