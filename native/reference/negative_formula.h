// V(v_ic) of every loss of the family, as host and device compute it; in double, or in float inside a kernel. What it
// means: negative_logit.h.
#pragma once

#include <math.h>

#include "cosface/margin_softmax.h"
#include "reference/host_device.h"

namespace cosface {

template <class real>
struct curve_point {
  real value, slope;
};

// 2 ((v + 1) / 2)^exponent - 1; v may stray below -1 by rounding. Not `exact`: slope 1.
template <class real>
COSFACE_HOST_DEVICE inline curve_point<real> power_curve(real v, real exponent, bool exact) {
  const real half = (v + 1) / 2 > 0 ? (v + 1) / 2 : 0;
  return {2 * static_cast<real>(pow(half, exponent)) - 1,
          exact ? exponent * static_cast<real>(pow(half, exponent - 1)) : 1};
}

template <class real>
COSFACE_HOST_DEVICE inline curve_point<real> circle_curve(real v, real m3, bool exact) {
  const real pace = v + m3 > 0 ? v + m3 : 0, rest = v - m3;
  return {pace * rest, pace + (pace > 0 && exact ? rest : 0)};
}

template <class real>
COSFACE_HOST_DEVICE inline curve_point<real> hard_negative(real v, cosface_negatives kind, real t) {
  if (kind == COSFACE_NEGATIVES_CURRICULAR) return {v * (t + v), t + 2 * v};
  return {(1 + t) * v + t, 1 + t};
}

// V's options, as numbers of the type that it is formed in.
template <class real>
struct negative_options {
  cosface_curve curve;
  cosface_negatives kind;
  real t, exponent, filter;
  bool exact, filters;
};

// What V depends on beside v and the options.
template <class real>
struct sample_rule_of {
  real threshold;  // M(cos_iy): negatives above it are hard
  real m3;         // the sample's, for the circle
};

template <class real>
struct negative_point {
  real value;   // V
  real slope;   // dV / dv; with the gradient DETACHED what stands in its place
  bool counts;  // false where the inter-class filter leaves the class out
};

template <class real>
COSFACE_HOST_DEVICE inline negative_options<real> negative_options_of(const cosface_margin_softmax_options& o) {
  return {o.curve,
          o.negatives,
          static_cast<real>(o.negatives_t),
          static_cast<real>(o.curve_exponent),
          static_cast<real>(o.interclass_filter),
          o.gradient == COSFACE_GRADIENT_EXACT,
          o.interclass_filter < 1};
}

template <class real>
COSFACE_HOST_DEVICE inline negative_point<real> negative_formula_of(real v, const sample_rule_of<real>& rule,
                                                                    const negative_options<real>& o) {
  curve_point<real> point{v, 1};
  if (o.curve == COSFACE_CURVE_POWER)
    point = power_curve(v, o.exponent, o.exact);
  else if (o.curve == COSFACE_CURVE_CIRCLE)
    point = circle_curve(v, rule.m3, o.exact);
  else if (o.kind != COSFACE_NEGATIVES_PLAIN && v > rule.threshold)
    point = hard_negative(v, o.kind, o.t);
  return {point.value, point.slope, !(o.filters && v > o.filter)};
}

}  // namespace cosface
