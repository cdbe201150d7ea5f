// The unit vectors of a chunk of classes.
//
//   in       w [C, D], rows first .. first + count by position
//   out      units [padded count, padded D] w^; faults.weight; report.zero_weights (on one visit of each class)
//   passes   two over w_c, a warp each: norm, unit row
//   error, range, tails as prepare_rows
#pragma once

#include "cuda/kernels/unit_rows.cuh"

extern "C" __global__ void __launch_bounds__(128) cosface_prepare_classes(cosface::cuda::prepare_classes_params p) {
  using namespace cosface::cuda;
  const int64_t c = row_of_warp();
  if (c >= p.padded_count) return;
  if (c >= p.count) return write_unit_row(p.units, c, nullptr, 0, p.dim, p.padded_dim, p.half_operands);
  const float* w = row(p.weights, p.first + c, p.dim);
  const double squared = squared_norm_by_warp(w, p.dim);
  const double inverse_norm = inverse_of_norm(squared);
  write_unit_row(p.units, c, w, inverse_norm, p.dim, p.padded_dim, p.half_operands);
  if (lane_of_thread() != 0) return;
  if (!isfinite(squared)) atomicMin(&p.faults->weight, static_cast<uint32_t>(p.first + c));
  if (p.counts_zeros && inverse_norm == 0) atomicAdd(&p.report->zero_weights, 1u);
}
