// The unit vectors of a chunk of classes.
//
//   in       w [C K, D], rows first .. first + count by position; the bias, to be checked
//   out      units [padded count, padded D] w^, or w where it is not normalised; faults; report.zero_weights (on one
//   visit of each class) passes   two over w_c, a warp each: norm, unit row error, range, tails as prepare_rows
#pragma once

#include "cuda/kernels/unit_rows.cuh"

namespace cosface::cuda {

// By the first row of each class.
__device__ inline void check_bias(const prepare_classes_params& p, int64_t r) {
  if (p.bias == nullptr || r % p.weights.centers != 0) return;
  const int64_t c = r / p.weights.centers;
  if (c < p.bias_count && !isfinite(p.bias[c])) atomicMin(&p.faults->bias, static_cast<uint32_t>(c));
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_prepare_classes(cosface::cuda::prepare_classes_params p) {
  using namespace cosface::cuda;
  const int64_t c = row_of_warp();
  if (c >= p.padded_count) return;
  if (c >= p.count) return write_unit_row(p.units, c, nullptr, 0, p.dim, p.padded_dim, p.half_operands);
  const float* w = row(p.weights, p.first + c, p.dim);
  const double squared = squared_norm_by_warp(w, p.dim);
  const double inverse_norm = inverse_of_norm(squared);
  write_unit_row(p.units, c, w, p.weights.normalised ? inverse_norm : 1, p.dim, p.padded_dim, p.half_operands);
  if (lane_of_thread() != 0) return;
  check_bias(p, p.first + c);
  if (!isfinite(squared)) atomicMin(&p.faults->weight, static_cast<uint32_t>(p.first + c));
  if (p.counts_zeros && inverse_norm == 0) atomicAdd(&p.report->zero_weights, 1u);
}
