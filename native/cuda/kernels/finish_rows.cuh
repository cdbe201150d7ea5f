// Every sum over the classes is known: losses, predictions, dx, and what pass 2 needs of each sample.
//
//   in       partials [sum parts, padded N] or bent partials [padded N], parts [dx parts, padded N, padded D] (none
//            without gradients), x, w; with label smoothing the sum of all classes' unit rows
//   out      loss, target_cosine, prediction, derivatives of what is per sample [N], d_embeddings [N, D]; samples:
//            weighted_loss, shift, factors. General path: scaled_rows, corrected exponentials, redo. Tensor cores:
//            factors
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

// What the negatives of one row add up to, at one shift.
struct negatives {
  double sum, slopes, shift;
  float best;  // the prediction's, if it is not the target
  int32_t best_class;
  float top, top_slope;  // largest that counts, as the passes had it
  int32_t top_row;
  int32_t corrected_row;  // -1: the fp32 logit is good enough
  double seen, exact;     // what multiplies that row of w, as the passes had it and from double
  double exact_logit;
};

__device__ inline const row_partial& partial_of(const finish_rows_params& p, int64_t part, int64_t i) {
  return p.partials[part * p.padded_batch + i];
}

__device__ inline negatives no_negatives() { return {0, 0, 0, no_logit, -1, no_logit, 1, -1, -1, 0, 0, 0}; }

__device__ inline negatives join_partials(const finish_rows_params& p, int64_t i) {
  negatives n = no_negatives();
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
  n.top = n.best;
  n.top_row = n.best_class;
  return n;
}

__device__ inline negatives take_bent(const finish_rows_params& p, int64_t i) {
  const bent_partial& partial = p.bent[i];
  negatives n = no_negatives();
  n.sum = partial.sum;
  n.slopes = partial.slopes;
  n.shift = partial.shift;
  n.best = partial.best;
  n.best_class = partial.best_class;
  n.top = partial.top;
  n.top_slope = partial.top_slope;
  n.top_row = partial.top_row;
  return n;
}

__device__ inline void correct_dominant(const finish_rows_params& p, int64_t i, const sample_state& state,
                                        negatives& n) {
  if (n.top_row < 0) return;
  softplus_point seen{};
  if (is_binary(p.problem))
    seen = softplus(n.top * ln2);
  else
    seen.value = seen.slope = exp2(n.top + n.shift);
  if (seen.value < n.sum * dominant_part) return;
  const double score = look_at_row(p.problem, i, state, n.top_row).score;
  const exact_negative exact =
      negative_of(p.problem, state, n.shift, score, class_of_row(p.problem.weights, n.top_row));
  n.seen = seen.slope * n.top_slope;
  n.exact = exact.coefficient;
  n.exact_logit = exact.logit;
  n.sum += exact.term - seen.value;
  n.slopes += exact.pull - seen.slope;
  if (n.sum < 0) n.sum = 0;
  n.corrected_row = n.top_row;
}

// A sample's loss without its weight, and what d loss / d logit is made of.
struct row_loss {
  double loss;
  double by_target;
  double by_negative;  // times its exponential, or sigmoid
};

__device__ inline row_loss softmax_loss(const negatives& n, const sample_state& state) {
  // u = log2 of (sum of the other exponentials / the target's); p_y = 1 / (1 + 2^u)
  const double u = log2(n.sum) - (state.target_logit + n.shift);
  const double tail = exp2(-fabs(u));
  const double miss = (u > 0 ? 1 : tail) / (1 + tail);
  return {(u > 0 ? u : 0) * ln2 + log1p(tail), -miss, n.sum > 0 ? miss : 0};
}

__device__ inline row_loss binary_loss(const finish_rows_params& p, const negatives& n, const sample_state& state) {
  const cosface_margin_softmax_options& o = p.problem.options;
  const softplus_point own = softplus(-(state.target_logit * ln2 + shared_bias(p.problem)));
  return {o.positive_weight * own.value + o.negative_weight * n.sum, -o.positive_weight * own.slope, o.negative_weight};
}

// The sum of all logits of sample i, the target's as it is with its margin.
__device__ inline double sum_of_logits(const finish_rows_params& p, int64_t i, int32_t target,
                                       const sample_state& state) {
  const source_problem& whole = p.problem;
  double scores = 0, biases = 0;
  for (int64_t d = lane_of_thread(); d < whole.dim; d += warp_size)
    scores += state.factor * whole.embeddings[i * whole.dim + d] * p.class_sum[d];
  if (whole.bias != nullptr)
    for (int64_t c = lane_of_thread(); c < whole.classes; c += warp_size) biases += whole.bias[c];
  const double own_bias = whole.bias == nullptr ? 0 : whole.bias[target];
  const double own_score = state.target_length * state.target_cosine;
  return state.target_logit * ln2 + whole.options.scale * (warp_sum(scores) - own_score) + warp_sum(biases) - own_bias;
}

__device__ inline void smooth(const finish_rows_params& p, int64_t i, int32_t target, const sample_state& state,
                              row_loss& loss) {
  const double part = p.problem.options.label_smoothing, each = part / static_cast<double>(p.problem.classes);
  loss.loss += part * state.target_logit * ln2 - each * sum_of_logits(p, i, target, state);
  loss.by_target += part - each;
}

__device__ inline row_loss loss_of_row(const finish_rows_params& p, int64_t i, int32_t target, const negatives& n,
                                       const sample_state& state) {
  if (is_binary(p.problem)) return binary_loss(p, n, state);
  row_loss loss = softmax_loss(n, state);
  if (p.class_sum != nullptr && target >= 0 && p.problem.classes > 1) smooth(p, i, target, state, loss);
  return loss;
}

__device__ inline void finish_state(const finish_rows_params& p, const negatives& n, const row_loss& loss,
                                    sample_state& state) {
  const double scale = p.problem.options.scale;
  state.shift = n.shift;
  if (is_binary(p.problem)) {
    state.negative_factor = state.upstream * scale * loss.by_negative;
    state.d_bias = p.problem.options.bias_sign * state.upstream * (loss.by_negative * n.slopes + loss.by_target);
  } else {
    state.negative_factor = n.sum > 0 ? state.upstream * scale * loss.by_negative / n.sum : 0;
  }
  state.target_factor = state.upstream * scale * loss.by_target * state.target_slope;
  state.along =
      state.upstream * scale * loss.by_target * (state.target_value - state.target_cosine * state.target_slope);
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

__device__ inline row_lengths lengths_of_row(const source_problem& p, const float* w) {
  return lengths_of_row(p.weights.normalised, squared_norm_by_warp(w, p.dim));
}

__device__ inline void write_d_embedding(const finish_rows_params& p, int64_t i, int32_t target, const negatives& n,
                                         const sample_state& state) {
  const source_problem& whole = p.problem;
  const int64_t dim = whole.dim;
  const float* x = whole.embeddings + i * dim;
  const float* target_row = target < 0 ? x : row(whole.weights, state.target_row, dim);
  const float* corrected_row = n.corrected_row < 0 ? x : row(whole.weights, n.corrected_row, dim);
  const row_lengths of_target = lengths_of_row(whole, target_row);
  const bool normalised = whole.options.normalize_embeddings;
  const double per_target = target < 0 ? 0 : (state.target_factor - state.smoothed) * of_target.factor;
  const double per_own = target < 0 || normalised ? 0 : state.along * of_target.length * state.inverse_norm;
  const double per_corrected =
      n.corrected_row < 0 ? 0 : (n.exact - n.seen) * lengths_of_row(whole, corrected_row).factor;
  const summed_parts parts{p, i, static_cast<float>(n.shift)};
  const auto of_negatives = [&](int64_t d) {
    return state.negative_factor * (parts(d) + per_corrected * corrected_row[d]) +
           (p.class_sum == nullptr ? 0 : state.smoothed * p.class_sum[d]);
  };
  const auto of_all = [&](int64_t d) { return of_negatives(d) + per_target * target_row[d] + per_own * x[d]; };
  const projection onto = measure_projection(x, dim, normalised, of_all);
  write_projected(p.d_embeddings + i * dim, x, dim, onto, of_all);
  if (p.redo == nullptr) return;
  const double summed = squared_length_by_warp(dim, of_negatives);
  if (lane_of_thread() == 0) p.redo[i] = is_shortened(summed, onto);
}

__device__ inline row_factor factor_of(const negatives& n, int32_t target, const sample_state& state) {
  row_factor factor{0, 0, target, n.corrected_row, static_cast<float>(n.exact_logit)};
  if (state.negative_factor == 0) return factor;
  factor.exponent = static_cast<float>(log2(fabs(state.negative_factor)) + n.shift);
  factor.sign = state.negative_factor > 0 ? 1.0f : -1.0f;
  return factor;
}

// |upstream| (1 - p_y) = |negative_factor| S / scale.
__device__ inline void raise_largest_pull(const finish_rows_params& p, const negatives& n, const sample_state& state) {
  if (state.negative_factor == 0) return;
  const int exponent = ilogb(fabs(state.negative_factor) * n.sum / p.problem.options.scale) + 1;
  atomicMax(&p.report->largest_pull, static_cast<uint32_t>(pull_bias + exponent));
}

__device__ inline void write_scaled_row(const finish_rows_params& p, int64_t i, const sample_state& state) {
  const int64_t dim = p.problem.dim;
  const double factor = state.negative_factor / gradient_unit(*p.report, p.mean) * state.factor;
  write_unit_row(p.scaled_rows, i, p.problem.embeddings + i * dim, factor, dim, p.padded_dim, false);
}

__device__ inline void write_padding(const finish_rows_params& p, int64_t i) {
  if (p.scaled_rows != nullptr) write_unit_row(p.scaled_rows, i, nullptr, 0, p.problem.dim, p.padded_dim, false);
  if (p.factors != nullptr && lane_of_thread() == 0) p.factors[i] = {0, 0, -1, -1, 0};
}

__device__ inline void write_value(float* values, int64_t i, double value) {
  if (values != nullptr) values[i] = static_cast<float>(value);
}

__device__ inline void write_derivatives(const finish_rows_params& p, int64_t i, const row_loss& loss,
                                         const sample_state& state) {
  const double scale = p.problem.options.scale;
  const double by_margin = state.upstream * loss.by_target * scale * state.target_length;
  write_value(p.d_sample_weights, i, state.per_loss * loss.loss);
  write_value(p.d_sample_m1, i, by_margin * state.by_m1);
  write_value(p.d_sample_m2, i, by_margin * state.by_m2);
  write_value(p.d_sample_m3, i, by_margin * state.by_m3);
  if (p.bias != nullptr)
    p.bias[i] = {state.negative_factor / scale, state.upstream * loss.by_target, state.smoothed / scale};
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128, 4) cosface_finish_rows(cosface::cuda::finish_rows_params p) {
  using namespace cosface::cuda;
  const int64_t i = row_of_warp();
  if (i >= p.padded_batch) return;
  if (i >= p.problem.batch) return write_padding(p, i);
  const int32_t target = p.problem.targets[i];
  sample_state state = p.problem.samples[i];
  negatives n = p.bent == nullptr ? join_partials(p, i) : take_bent(p, i);
  correct_dominant(p, i, state, n);
  const row_loss loss = loss_of_row(p, i, target, n, state);
  state.weighted_loss = target < 0 ? 0 : state.weight * loss.loss;
  finish_state(p, n, loss, state);
  if (p.d_embeddings != nullptr) write_d_embedding(p, i, target, n, state);
  if (p.scaled_rows != nullptr) write_scaled_row(p, i, state);
  if (lane_of_thread() != 0) return;
  p.problem.samples[i] = state;
  write_value(p.loss, i, state.weighted_loss);
  write_value(p.target_cosine, i, state.target_cosine);
  write_derivatives(p, i, loss, state);
  if (p.prediction != nullptr) p.prediction[i] = prediction_of(n, p.target_seen[i], target);
  if (p.factors != nullptr) {
    p.factors[i] = factor_of(n, target, state);
    raise_largest_pull(p, n, state);
  }
  if (p.corrected_row != nullptr) {
    p.corrected_row[i] = n.corrected_row;
    p.corrected[i] = static_cast<float>(n.exact);
  }
}
