// Before the classes come: what is known of a sample from its row, its target and its options.
//
//   in       x [N, D], w [C K, D] (the targets' rows), labels, what is given per sample; report.counted
//   out      samples [N]; units [padded N, padded D]: s log2(e) x^ as float, or x^ as half for tensor cores, x^ as
//   float
//            where scores are bent; x itself where it is not normalised; targets, shifts, target_seen [padded N]
//   passes   three over x_i and one over the rows of class y, a warp each: norm, cosine, unit row
//   range    squares and sums in double: no float overflows or vanishes there (3e38^2 2^12 < 1e81)
//   error    norm, cosine, margin and slope to a few 2^-53; the operand is rounded once
//   tails    rows and features in the padding are zeros; a label out of range reads nothing and counts as ignored
#pragma once

#include "cuda/kernels/exact_scores.cuh"
#include "cuda/kernels/sample_gradient.cuh"
#include "cuda/kernels/unit_rows.cuh"
#include "reference/target_formula.h"

namespace cosface::cuda {

__device__ inline double margin_of_sample(const sample_margins& own, int number, int64_t i, double common) {
  return own.values[number] == nullptr ? common : own.values[number][i];
}

__device__ inline void apply_target(const prepare_rows_params& p, int64_t i, int64_t label, sample_state& state) {
  const source_problem& whole = p.problem;
  const cosface_margin_softmax_options& o = whole.options;
  const nearest_row nearest = find_nearest(whole, i, state, label);
  const margins m{margin_of_sample(p.margins, 0, i, o.m1), margin_of_sample(p.margins, 1, i, o.m2),
                  margin_of_sample(p.margins, 2, i, o.m3)};
  const target_logit target = target_formula_of(nearest.seen.cosine, m, o);
  state.target_row = static_cast<int32_t>(nearest.row);
  state.target_cosine = nearest.seen.cosine;
  state.target_length = state.length * nearest.seen.length;
  state.target_value = target.value;
  state.target_logit =
      whole.base2_scale * state.target_length * target.value + (whole.bias == nullptr ? 0 : whole.bias[label] * log2e);
  state.target_slope = target.slope;
  state.by_m1 = target.by.m1;
  state.by_m2 = target.by.m2;
  state.by_m3 = target.by.m3;
  state.m3 = m.m3;
  state.weight = p.sample_weights == nullptr ? 1.0 : p.sample_weights[i];
  state.per_loss = share_of_sample(*p.report, p.mean) * (p.loss_gradient == nullptr ? 1.0 : p.loss_gradient[i]);
  state.upstream =
      state.weight * share_of_sample(*p.report, p.mean) * (p.loss_gradient == nullptr ? 1.0 : p.loss_gradient[i]);
  // One class is certain, whatever part of the target is spread over it.
  if (whole.classes > 1)
    state.smoothed = -state.upstream * o.scale * o.label_smoothing / static_cast<double>(whole.classes);
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_prepare_rows(cosface::cuda::prepare_rows_params p) {
  using namespace cosface::cuda;
  const source_problem& whole = p.problem;
  const int64_t i = row_of_warp();
  if (i >= p.padded_batch) return;
  const bool there = i < whole.batch;
  const float* x = whole.embeddings + i * whole.dim;
  const double squared = there ? squared_norm_by_warp(x, whole.dim) : 0;
  const row_lengths lengths = lengths_of_row(whole.options.normalize_embeddings, squared);
  sample_state state{};
  state.inverse_norm = lengths.inverse_norm;
  state.factor = lengths.factor;
  state.length = lengths.length;
  state.target_row = -1;
  write_unit_row(p.units, i, there ? x : nullptr, state.factor * p.unit_scale, whole.dim, p.padded_dim,
                 p.half_operands);
  int32_t label = there ? p.labels[i] : -1;
  if (!there || label == whole.options.ignore_label || label < 0 || label >= whole.classes) label = -1;
  if (label >= 0) apply_target(p, i, label, state);
  if (lane_of_thread() != 0) return;
  p.targets[i] = label;
  p.shifts[i] = p.shift;
  p.target_seen[i] = no_logit;
  if (!there) return;
  whole.samples[i] = state;
  if (!isfinite(squared)) atomicMin(&p.faults->embedding, static_cast<uint32_t>(i));
  if (lengths.inverse_norm == 0) atomicAdd(&p.report->zero_embeddings, 1u);
}
