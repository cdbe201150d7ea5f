#include "reference/negative_logit.h"

#include <algorithm>
#include <cmath>

namespace cosface {
namespace {

curve_point circle_curve(double v, double m3, bool exact) {
  const double pace = std::max(v + m3, 0.0), rest = v - m3;
  return {pace * rest, pace + (pace > 0 && exact ? rest : 0)};
}

curve_point hard_negative(double v, cosface_negatives kind, double t) {
  if (kind == COSFACE_NEGATIVES_CURRICULAR) return {v * (t + v), t + 2 * v};
  return {(1 + t) * v + t, 1 + t};
}

}  // namespace

curve_point power_curve(double v, double exponent, bool exact) {
  const double half = std::max((v + 1) / 2, 0.0);
  return {2 * std::pow(half, exponent) - 1, exact ? exponent * std::pow(half, exponent - 1) : 1};
}

negative_logit negative_logit_of(double v, const negative_rule& rule, const cosface_margin_softmax_options& o) {
  const bool exact = o.gradient == COSFACE_GRADIENT_EXACT;
  curve_point point{v, 1};
  if (o.curve == COSFACE_CURVE_POWER)
    point = power_curve(v, o.curve_exponent, exact);
  else if (o.curve == COSFACE_CURVE_CIRCLE)
    point = circle_curve(v, rule.m3, exact);
  else if (o.negatives != COSFACE_NEGATIVES_PLAIN && v > rule.threshold)
    point = hard_negative(v, o.negatives, o.negatives_t);
  return {point.value, point.slope, !(filters_classes(o) && v > o.interclass_filter)};
}

}  // namespace cosface
