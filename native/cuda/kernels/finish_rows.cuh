// Every sum over the classes is known: losses, predictions, dx, and what pass 2 needs of each sample.
//
//   in       partials [sum parts, padded N], parts [dx parts, padded N, padded D] (none without gradients), x, w
//   out      loss, target_cosine, prediction [N], d_embeddings [N, D]; samples: weighted_loss, shift, both factors.
//            General path: scaled_rows, corrected exponentials, redo. Tensor cores: factors
//   passes   two over x_i and the parts of row i, by one warp; w_y and the dominant negative's row beside them
//   error    everything in double; what is in error is S and the parts as the passes formed them
//   range    S at one shift for all parts, the least; a part whose negatives are 2^1074 below vanishes, as it may
//
// Dominant negative: docs/math.md, section 2. The largest negative of a row, where it makes up more than 1 / 64 of
// the sum, is replaced by its value in double: in S and in both gradients. Test: cuda_accuracy_test, confident rows.
#pragma once

#include "cuda/kernels/prepare_rows.cuh"
#include "cuda/kernels/projection.cuh"
#include "cuda/kernels/shifts.cuh"

namespace cosface::cuda {

constexpr double dominant_part = 1.0 / 64;
constexpr double ln2 = 0.693147180559945309417;

// What the negatives of one row add up to, at one shift.
struct negatives {
  double sum, shift;
  float best;
  int32_t best_class;
  int32_t corrected_class;  // -1: the fp32 logit is good enough
  double seen, exact;       // exponential of the largest, as the passes had it and from double
  double exact_logit;
};

__device__ inline const row_partial& partial_of(const finish_rows_params& p, int64_t part, int64_t i) {
  return p.partials[part * p.padded_batch + i];
}

__device__ inline negatives join_partials(const finish_rows_params& p, int64_t i) {
  negatives n{0, 0, no_logit, -1, -1, 0, 0, 0};
  bool any = false;
  for (int64_t part = 0; part < p.sum_parts; part++) {
    const row_partial& partial = partial_of(p, part, i);
    if (partial.best_class < 0) continue;  // no negative: its shift means nothing
    if (!any || partial.shift < n.shift) n.shift = partial.shift;
    any = true;
    if (partial.best > n.best) {
      n.best = partial.best;
      n.best_class = partial.best_class;
    }
  }
  for (int64_t part = 0; part < p.sum_parts; part++) {
    const row_partial& partial = partial_of(p, part, i);
    if (partial.best_class >= 0) n.sum += partial.sum * ratio_of_shifts(static_cast<float>(n.shift), partial.shift);
  }
  return n;
}

__device__ inline void correct_dominant(const finish_rows_params& p, int64_t i, double inverse_norm, negatives& n) {
  if (n.best_class < 0) return;
  n.seen = exp2(n.best + n.shift);
  if (n.seen < n.sum * dominant_part) return;
  const float* w = row(p.weights, n.best_class, p.dim);
  const double cosine = look_at_row(p.embeddings + i * p.dim, w, inverse_norm, p.dim).cosine;
  n.exact_logit = p.base2_scale * cosine;
  n.exact = exp2(n.exact_logit + n.shift);
  n.sum += n.exact - n.seen;
  if (n.sum < 0) n.sum = 0;
  n.corrected_class = n.best_class;
}

__device__ inline void finish_state(const finish_rows_params& p, const negatives& n, bool ignored,
                                    sample_state& state) {
  // u = log2 of (sum of the other exponentials / the target's); p_y = 1 / (1 + 2^u)
  const double u = log2(n.sum) - (state.target_logit + n.shift);
  const double tail = exp2(-fabs(u));
  const double miss = (u > 0 ? 1 : tail) / (1 + tail);
  state.weighted_loss = ignored ? 0 : state.weight * ((u > 0 ? u : 0) * ln2 + log1p(tail));
  state.shift = n.shift;
  state.negative_factor = n.sum > 0 ? state.upstream * p.scale * miss / n.sum : 0;
  state.target_factor = -state.upstream * p.scale * miss * state.target_slope;
}

__device__ inline int32_t prediction_of(const negatives& n, float target_seen, int32_t target) {
  const bool target_wins = target >= 0 && (target_seen > n.best || (target_seen == n.best && target < n.best_class));
  return target_wins ? target : n.best_class;
}

// The unnormalised sum over the negatives of e w^, feature by feature.
struct summed_parts {
  const finish_rows_params& p;
  int64_t i;
  float shift;

  __device__ double operator()(int64_t d) const {
    double sum = 0;
    for (int64_t part = 0; part < p.dx_parts; part++) {
      const int64_t row_of_parts = part * p.padded_batch + i;
      const float value = p.parts[row_of_parts * p.padded_dim + d];
      if (p.sum_parts == 1)
        sum += value;
      else if (p.partials[row_of_parts].best_class >= 0)
        sum += value * ratio_of_shifts(shift, p.partials[row_of_parts].shift);
    }
    return sum;
  }
};

__device__ inline void write_d_embedding(const finish_rows_params& p, int64_t i, int32_t target, const negatives& n,
                                         const sample_state& state) {
  const float* x = p.embeddings + i * p.dim;
  const float* target_row = target < 0 ? x : row(p.weights, target, p.dim);
  const float* corrected_row = n.corrected_class < 0 ? x : row(p.weights, n.corrected_class, p.dim);
  const double per_target =
      target < 0 ? 0 : state.target_factor * inverse_of_norm(squared_norm_by_warp(target_row, p.dim));
  const double per_corrected =
      n.corrected_class < 0 ? 0 : (n.exact - n.seen) * inverse_of_norm(squared_norm_by_warp(corrected_row, p.dim));
  const summed_parts parts{p, i, static_cast<float>(n.shift)};
  const auto of_negatives = [&](int64_t d) {
    return state.negative_factor * (parts(d) + per_corrected * corrected_row[d]);
  };
  const auto of_all = [&](int64_t d) { return of_negatives(d) + per_target * target_row[d]; };
  const projection onto = measure_projection(x, p.dim, of_all);
  write_projected(p.d_embeddings + i * p.dim, x, p.dim, onto, of_all);
  if (p.redo == nullptr) return;
  const double summed = squared_length_by_warp(p.dim, of_negatives);
  if (lane_of_thread() == 0) p.redo[i] = is_shortened(summed, onto);
}

__device__ inline row_factor factor_of(const negatives& n, int32_t target, const sample_state& state) {
  row_factor factor{0, 0, target, n.corrected_class, static_cast<float>(n.exact_logit)};
  if (state.negative_factor == 0) return factor;
  factor.exponent = static_cast<float>(log2(fabs(state.negative_factor)) + n.shift);
  factor.sign = state.negative_factor > 0 ? 1.0f : -1.0f;
  return factor;
}

// |upstream| (1 - p_y) = |negative_factor| S / scale.
__device__ inline void raise_largest_pull(const finish_rows_params& p, const negatives& n, const sample_state& state) {
  if (state.negative_factor == 0) return;
  const int exponent = ilogb(fabs(state.negative_factor) * n.sum / p.scale) + 1;
  atomicMax(&p.report->largest_pull, static_cast<uint32_t>(pull_bias + exponent));
}

__device__ inline void write_scaled_row(const finish_rows_params& p, int64_t i, const sample_state& state) {
  const double factor = state.negative_factor / gradient_unit(*p.report, p.mean) * state.inverse_norm;
  write_unit_row(p.scaled_rows, i, p.embeddings + i * p.dim, factor, p.dim, p.padded_dim, false);
}

__device__ inline void write_padding(const finish_rows_params& p, int64_t i) {
  if (p.scaled_rows != nullptr) write_unit_row(p.scaled_rows, i, nullptr, 0, p.dim, p.padded_dim, false);
  if (p.factors != nullptr && lane_of_thread() == 0) p.factors[i] = {0, 0, -1, -1, 0};
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128, 4) cosface_finish_rows(cosface::cuda::finish_rows_params p) {
  using namespace cosface::cuda;
  const int64_t i = row_of_warp();
  if (i >= p.padded_batch) return;
  if (i >= p.batch) return write_padding(p, i);
  const int32_t target = p.targets[i];
  sample_state state = p.samples[i];
  negatives n = join_partials(p, i);
  correct_dominant(p, i, state.inverse_norm, n);
  finish_state(p, n, target < 0, state);
  if (p.d_embeddings != nullptr) write_d_embedding(p, i, target, n, state);
  if (p.scaled_rows != nullptr) write_scaled_row(p, i, state);
  if (lane_of_thread() != 0) return;
  p.samples[i] = state;
  if (p.loss != nullptr) p.loss[i] = static_cast<float>(state.weighted_loss);
  if (p.target_cosine != nullptr) p.target_cosine[i] = static_cast<float>(state.target_cosine);
  if (p.prediction != nullptr) p.prediction[i] = prediction_of(n, p.target_seen[i], target);
  if (p.factors != nullptr) {
    p.factors[i] = factor_of(n, target, state);
    raise_largest_pull(p, n, state);
  }
  if (p.corrected_class != nullptr) {
    p.corrected_class[i] = n.corrected_class;
    p.corrected[i] = static_cast<float>(n.exact);
  }
}
