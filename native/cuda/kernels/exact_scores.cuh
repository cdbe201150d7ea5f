// Single scores from x and w themselves, in double: the target's, a dominant negative's, and whole rows that are
// redone.
//
//   in       the rows as they are; what is known of the sample
//   passes   one over each row of w, by a warp; K of them where a class has K rows
//   error    a few 2^-53
#pragma once

#include "cuda/kernels/warp.cuh"
#include "reference/negative_formula.h"

namespace cosface::cuda {

constexpr double log2e = 1.44269504088896340736, ln2 = 0.693147180559945309417;

// A row of w as a row of x sees it.
struct seen_row {
  double cosine;
  double score;   // v: cosine, times the lengths that are kept
  double factor;  // of w, as the products see it: 1 / |w|, or 1
  double length;  // |w| where it is kept, else 1
};

__device__ inline seen_row look_at_row(const source_problem& p, int64_t i, const sample_state& state, int64_t r) {
  const float *x = p.embeddings + i * p.dim, *w = row(p.weights, r, p.dim);
  double dot = 0, squared = 0;
  for (int64_t d = lane_of_thread(); d < p.dim; d += warp_size) {
    dot += static_cast<double>(x[d]) * w[d];
    squared += static_cast<double>(w[d]) * w[d];
  }
  const row_lengths w_lengths = lengths_of_row(p.weights.normalised, warp_sum(squared));
  dot = warp_sum(dot);
  return {dot * state.inverse_norm * w_lengths.inverse_norm, dot * state.factor * w_lengths.factor, w_lengths.factor,
          w_lengths.length};
}

struct nearest_row {
  seen_row seen;
  int64_t row;
};

// Of the rows of a class the one with the largest score, the first on a tie.
__device__ inline nearest_row find_nearest(const source_problem& p, int64_t i, const sample_state& state, int64_t c) {
  const int64_t first = c * p.weights.centers;
  nearest_row nearest{look_at_row(p, i, state, first), first};
  for (int64_t r = first + 1; r < first + p.weights.centers; r++) {
    const seen_row seen = look_at_row(p, i, state, r);
    if (seen.score > nearest.seen.score) nearest = {seen, r};
  }
  return nearest;
}

struct softplus_point {
  double value, slope;
};

__device__ inline softplus_point softplus(double u) {
  const double tail = exp(-fabs(u));
  return {(u > 0 ? u : 0) + log1p(tail), (u > 0 ? 1 : tail) / (1 + tail)};
}

// What another class adds to a sample.
struct exact_negative {
  double logit;        // base 2
  double term;         // of the row's sum
  double pull;         // d term / d logit, but for a constant of the form
  double coefficient;  // of its row of w in the gradient, likewise
};

__device__ inline bool is_binary(const source_problem& p) { return p.options.form == COSFACE_FORM_BINARY; }

// What the binary form adds to every logit, and to a negative's beside it.
__device__ inline double shared_bias(const source_problem& p) {
  return p.shared_bias == nullptr ? 0 : p.options.bias_sign * static_cast<double>(p.shared_bias[0]);
}
__device__ inline double binary_shift(const source_problem& p) {
  return p.options.scale * p.options.negative_margin + shared_bias(p);
}

__device__ inline exact_negative negative_of(const source_problem& p, const sample_state& state, double shift, double v,
                                             int64_t c) {
  const negative_point<double> point =
      negative_formula_of<double>(v, {state.target_value, state.m3}, negative_options_of<double>(p.options));
  if (!point.counts) return {no_logit, 0, 0, 0};
  double logit = p.base2_scale * point.value;
  if (is_binary(p)) {
    logit += binary_shift(p) * log2e;
    const softplus_point loss = softplus(logit * ln2);
    return {logit, loss.value, loss.slope, loss.slope * point.slope};
  }
  if (p.bias != nullptr) logit += p.bias[c] * log2e;
  const double e = exp2(logit + shift);
  return {logit, e, e, e * point.slope};
}

// Of a row of w in the sum that dL / d x is made of, or of a row of x in dL / d w.
struct summand {
  double coefficient;
  int64_t row;
};

// Of class c in sample i's sum, once the sample's factors are known.
__device__ inline summand summand_of_class(const source_problem& p, int64_t i, int64_t c) {
  const sample_state& state = p.samples[i];
  if (p.targets[i] < 0) return {0, c * p.weights.centers};
  const nearest_row nearest = find_nearest(p, i, state, c);
  if (p.targets[i] == c) return {state.target_factor * nearest.seen.factor, nearest.row};
  const exact_negative negative = negative_of(p, state, state.shift, nearest.seen.score, c);
  return {(negative.coefficient * state.negative_factor + state.smoothed) * nearest.seen.factor, nearest.row};
}

// Of sample i in the sum of row r of w. `nearest`: r is the nearest row of its class, which is not the sample's own.
__device__ inline summand summand_of_sample(const source_problem& p, int64_t i, int64_t r, bool nearest) {
  const sample_state& state = p.samples[i];
  const int64_t c = class_of_row(p.weights, r);
  if (p.targets[i] == c) return {r == state.target_row ? state.target_factor * state.factor : 0, i};
  if (p.targets[i] < 0 || !nearest) return {0, i};
  const exact_negative negative = negative_of(p, state, state.shift, look_at_row(p, i, state, r).score, c);
  return {(negative.coefficient * state.negative_factor + state.smoothed) * state.factor, i};
}

}  // namespace cosface::cuda
