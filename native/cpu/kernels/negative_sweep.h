// One sweep over a strip of scores: what the family makes of negatives, written once over the vector type. Included by
// tile_kernels.h. Plain scores go through `sweep` there, which costs less.
#pragma once

#include <limits>

#include "cpu/kernels/log2_polynomial.h"
#include "cpu/kernels/negative_rule.h"

namespace cosface {
namespace {

// Scores below it are no_logit, whatever their factor.
constexpr float least_score = -1e20f;
constexpr float no_score = -1e30f;

COSFACE_INLINE typename vector::type constant(float value) { return vector::broadcast(&value); }

// log2(x) of normal x > 0.
COSFACE_INLINE typename vector::type log2_of(typename vector::type x) {
  typename vector::type exponent, significand;
  vector::split(x, exponent, significand);
  return vector::add(exponent, log2_of_one_plus<vector>(vector::subtract(significand, constant(1))));
}

// log2(1 + e) for e in [0, 1], to a few 2^-24 of the value however small e is.
COSFACE_INLINE typename vector::type log2_of_sum(typename vector::type e) {
  using type = typename vector::type;
  const type bound = constant(0.41421356f), one = constant(1);
  const type half = vector::multiply(vector::subtract(e, one), constant(0.5f));
  const type f = vector::select_greater(e, bound, half, e);
  return vector::add(vector::select_greater(e, bound, one, vector::zero()), log2_of_one_plus<vector>(f));
}

// h^n for h in [0, 1] and n >= 0.
COSFACE_INLINE typename vector::type power_of(typename vector::type h, float n) {
  using type = typename vector::type;
  if (n == std::floor(n)) {
    type result = constant(1);
    for (int k = static_cast<int>(n); k > 0; k >>= 1) {
      if (k & 1) result = vector::multiply(result, h);
      h = vector::multiply(h, h);
    }
    return result;
  }
  return vector::exp2(vector::multiply(constant(n), log2_of(vector::larger(h, constant(0x1p-120f)))));
}

struct bent_score {
  typename vector::type value, slope;
};

template <negative_curve curve>
COSFACE_INLINE bent_score bend_score(typename vector::type z, const negative_rule& r, int lane) {
  using type = typename vector::type;
  const type one = constant(1);
  if constexpr (curve == negative_curve::hard_line) {
    const type threshold = vector::load(r.threshold + lane), more = constant(1 + r.t);
    return {vector::select_greater(z, threshold, vector::fma(z, more, constant(r.t * r.scale)), z),
            vector::select_greater(z, threshold, more, one)};
  } else if constexpr (curve == negative_curve::hard_square) {
    const type threshold = vector::load(r.threshold + lane), t = constant(r.t);
    const type v = vector::multiply(z, constant(1 / r.scale));
    return {vector::select_greater(z, threshold, vector::multiply(z, vector::add(t, v)), z),
            vector::select_greater(z, threshold, vector::fma(constant(2), v, t), one)};
  } else if constexpr (curve == negative_curve::circle) {
    const type margin = vector::load(r.margin + lane), v = vector::multiply(z, constant(1 / r.scale));
    const type pace = vector::larger(vector::add(v, margin), vector::zero());
    const type rest = vector::subtract(v, margin);
    const type value = vector::multiply(vector::multiply(pace, rest), constant(r.scale));
    if (!r.exact) return {value, pace};
    return {value, vector::add(pace, vector::select_greater(pace, vector::zero(), rest, vector::zero()))};
  } else if constexpr (curve == negative_curve::power) {
    const type half = constant(0.5f), v = vector::multiply(z, constant(1 / r.scale));
    const type h = vector::larger(vector::fma(v, half, half), vector::zero());
    const type less = power_of(h, r.exponent - 1);
    const type value = vector::fma(vector::multiply(less, h), constant(2 * r.scale), constant(-r.scale));
    return {value, r.exact ? vector::multiply(less, constant(r.exponent)) : one};
  } else {
    return {z, one};
  }
}

// What a logit u adds to the loss and weighs in the gradient.
struct negative_term {
  typename vector::type part, weight;
};

template <bool binary>
COSFACE_INLINE negative_term term_of(typename vector::type u) {
  using type = typename vector::type;
  if constexpr (!binary) {
    const type e = vector::exp2(u);
    return {e, e};
  } else {
    const type positive = vector::larger(u, vector::zero());
    const type e = vector::exp2(vector::subtract(u, vector::add(positive, positive)));  // 2^-|u|, where |u| is finite
    const type one = constant(1);
    return {vector::add(positive, log2_of_sum(e)),
            vector::divide(vector::select_greater(u, vector::zero(), one, e), vector::add(one, e))};
  }
}

// Columns [lane, lane + width) of the strip.
template <negative_curve curve, bool binary>
void sweep_columns(const logit_strip& s, const negative_rule& r, int lane, const float* shift, const strip_sums& sums,
                   const exponential_target& target) {
  using type = typename vector::type;
  type best = vector::load(s.best + lane), peak = vector::load(s.peak + lane);
  typename vector::index best_class = vector::load_index(s.best_class + lane);
  typename vector::index peak_class = vector::load_index(s.peak_class + lane);
  type part_sum = vector::zero(), weight_sum = vector::zero();
  const type shift_by = vector::load(shift + lane);
  const type none = constant(no_score), least = constant(least_score), filter = constant(r.filter);
  for (int64_t c = 0; c < s.classes; c++) {
    const typename vector::index here = vector::broadcast_index(s.first_class + static_cast<int32_t>(c));
    type z = vector::load(s.logits + c * s.ld + lane), factor = vector::zero();
    if (s.factors != nullptr) {
      factor = vector::broadcast(&s.factors[c].high);
      z = vector::fma(z, factor, vector::fma(z, vector::broadcast(&s.factors[c].low), vector::zero()));
    }
    bent_score bent = bend_score<curve>(z, r, lane);
    const type score = z;
    if (r.bias != nullptr) {
      const type bias = vector::broadcast(r.bias + c);
      z = vector::add(z, bias);
      bent.value = vector::add(bent.value, bias);
    }
    const type counted = vector::select_greater(score, filter, none, bent.value);
    const type logit = vector::select_greater(score, least, counted, none);
    vector::take_greater(z, here, best, best_class);
    vector::take_greater(logit, here, peak, peak_class);
    const negative_term term = term_of<binary>(vector::add(logit, shift_by));
    part_sum = vector::add(part_sum, term.part);
    if constexpr (binary) weight_sum = vector::add(weight_sum, term.weight);
    type e = curve == negative_curve::line ? term.weight : vector::multiply(term.weight, bent.slope);
    if (s.factors != nullptr) e = vector::multiply(e, factor);
    if (target.near != nullptr) vector::store(target.near + c * target.near_ld + lane, e);
    if (target.far != nullptr) vector::stream(target.far + c * target.far_ld + lane, e);
  }
  vector::store(s.best + lane, best);
  vector::store(s.peak + lane, peak);
  vector::store_index(s.best_class + lane, best_class);
  vector::store_index(s.peak_class + lane, peak_class);
  vector::store(sums.parts + lane, part_sum);
  if constexpr (binary) vector::store(sums.weights + lane, weight_sum);
}

template <bool binary>
void sweep_by_rule(const logit_strip& s, const negative_rule& r, const float* shift, const strip_sums& sums,
                   const exponential_target& target) {
  for (int lane = 0; lane < 2 * vector::width; lane += vector::width) switch (r.curve) {
      case negative_curve::line: sweep_columns<negative_curve::line, binary>(s, r, lane, shift, sums, target); break;
      case negative_curve::hard_line:
        sweep_columns<negative_curve::hard_line, binary>(s, r, lane, shift, sums, target);
        break;
      case negative_curve::hard_square:
        sweep_columns<negative_curve::hard_square, binary>(s, r, lane, shift, sums, target);
        break;
      case negative_curve::circle:
        sweep_columns<negative_curve::circle, binary>(s, r, lane, shift, sums, target);
        break;
      case negative_curve::power: sweep_columns<negative_curve::power, binary>(s, r, lane, shift, sums, target); break;
    }
}

void negative_terms(const logit_strip& s, const negative_rule& r, const float* shift, const strip_sums& sums,
                    const exponential_target& target) {
  r.binary ? sweep_by_rule<true>(s, r, shift, sums, target) : sweep_by_rule<false>(s, r, shift, sums, target);
}

// Of each `together` rows that follow each other, in every column, only the largest stays a score; the first on a tie.
void keep_nearest(float* scores, int64_t classes, int64_t ld, const weight_factor* factors, int64_t together) {
  using type = typename vector::type;
  const type none = constant(no_score);
  for (int64_t first = 0; first < classes; first += together)
    for (int lane = 0; lane < 2 * vector::width; lane += vector::width) {
      const auto score_of = [&](int64_t c) {
        const type z = vector::load(scores + c * ld + lane);
        if (factors == nullptr) return z;
        return vector::fma(z, vector::broadcast(&factors[c].high),
                           vector::fma(z, vector::broadcast(&factors[c].low), vector::zero()));
      };
      type best = score_of(first);
      typename vector::index nearest = vector::broadcast_index(0);
      for (int64_t k = 1; k < together; k++)
        vector::take_greater(score_of(first + k), vector::broadcast_index(static_cast<int32_t>(k)), best, nearest);
      for (int64_t k = 0; k < together; k++) {
        float* z = scores + (first + k) * ld + lane;
        vector::store(z, vector::keep_where(nearest, static_cast<int32_t>(k), vector::load(z), none));
      }
    }
}

}  // namespace
}  // namespace cosface
