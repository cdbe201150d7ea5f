// Before the classes come: what is known of a sample from its row, its target and its options.
//
//   in       x [N, D], w [C, D] (the targets' rows), labels, what is given per sample; report.counted
//   out      samples [N]; units [padded N, padded D]: s log2(e) x^ as float, or x^ as half for tensor cores;
//            targets, shifts, target_seen [padded N]
//   passes   three over x_i and one over w_y, a warp each: norm, cosine, unit row
//   range    squares and sums in double: no float overflows or vanishes there (3e38^2 2^12 < 1e81)
//   error    norm, cosine, margin and slope to a few 2^-53; the operand is rounded once
//   tails    rows and features in the padding are zeros; a label out of range reads nothing and counts as ignored
#pragma once

#include "cuda/kernels/sample_gradient.cuh"
#include "cuda/kernels/unit_rows.cuh"
#include "reference/margin_formula.h"

namespace cosface::cuda {

struct seen_row {
  double cosine, inverse_norm;
};

// w as x sees it, by a warp. `inverse_norm` is that of x.
__device__ inline seen_row look_at_row(const float* x, const float* w, double inverse_norm, int64_t dim) {
  double dot = 0, squared = 0;
  for (int64_t d = lane_of_thread(); d < dim; d += warp_size) {
    dot += static_cast<double>(x[d]) * w[d];
    squared += static_cast<double>(w[d]) * w[d];
  }
  const double inverse = inverse_of_norm(warp_sum(squared));
  return {warp_sum(dot) * inverse_norm * inverse, inverse};
}

__device__ inline void apply_target(const prepare_rows_params& p, int64_t i, double cosine, sample_state& state) {
  const margins common{p.m1, p.m2, p.m3};
  const margins m = p.sample_margins == nullptr
                        ? common
                        : replace_margin(common, static_cast<cosface_margin_term>(p.margin_term), p.sample_margins[i]);
  const margined_cosine target = margined_cosine_of(cosine, m, p.gradient == COSFACE_GRADIENT_DETACHED);
  state.target_cosine = cosine;
  state.target_logit = p.base2_scale * target.value;
  state.target_slope = target.slope;
  state.weight = p.sample_weights == nullptr ? 1.0 : p.sample_weights[i];
  state.upstream =
      state.weight * share_of_sample(*p.report, p.mean) * (p.loss_gradient == nullptr ? 1.0 : p.loss_gradient[i]);
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_prepare_rows(cosface::cuda::prepare_rows_params p) {
  using namespace cosface::cuda;
  const int64_t i = row_of_warp();
  if (i >= p.padded_batch) return;
  const bool there = i < p.batch;
  const float* x = p.embeddings + i * p.dim;
  const double squared = there ? squared_norm_by_warp(x, p.dim) : 0;
  const double inverse_norm = inverse_of_norm(squared);
  write_unit_row(p.units, i, there ? x : nullptr, inverse_norm * (p.half_operands ? 1 : p.base2_scale), p.dim,
                 p.padded_dim, p.half_operands);
  int32_t label = there ? p.labels[i] : -1;
  if (!there || label == p.ignore_label || label < 0 || label >= p.classes) label = -1;
  sample_state state{};
  state.inverse_norm = inverse_norm;
  if (label >= 0) apply_target(p, i, look_at_row(x, row(p.weights, label, p.dim), inverse_norm, p.dim).cosine, state);
  if (lane_of_thread() != 0) return;
  p.targets[i] = label;
  p.shifts[i] = p.shift;
  p.target_seen[i] = no_logit;
  if (!there) return;
  p.samples[i] = state;
  if (!isfinite(squared)) atomicMin(&p.faults->embedding, static_cast<uint32_t>(i));
  if (inverse_norm == 0) atomicAdd(&p.report->zero_embeddings, 1u);
}
