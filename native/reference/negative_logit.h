// V(v_ic) of every loss of the family, in double precision: what the score of another class becomes before the scale.
#pragma once

#include "cosface/margin_softmax.h"

namespace cosface {

struct curve_point {
  double value, slope;
};

// 2 ((v + 1) / 2)^exponent - 1; v may stray below -1 by rounding. Not `exact`: slope 1.
curve_point power_curve(double v, double exponent, bool exact);

struct negative_logit {
  double value;  // V
  double slope;  // dV / dv; with the gradient DETACHED what stands in its place
  bool counts;   // false where the inter-class filter leaves the class out
};

// What V depends on beside v and the options.
struct negative_rule {
  double threshold;  // M(cos_iy): negatives above it are hard
  double m3;         // the sample's, for the circle
};

negative_logit negative_logit_of(double v, const negative_rule& rule, const cosface_margin_softmax_options& options);

// Whether V(v) = v for every class.
inline bool has_plain_negatives(const cosface_margin_softmax_options& options) {
  return options.curve == COSFACE_CURVE_COSINE && options.negatives == COSFACE_NEGATIVES_PLAIN;
}

// 1 turns it off: rounding must not leave out a cosine of 1.
inline bool filters_classes(const cosface_margin_softmax_options& options) { return options.interclass_filter < 1; }

}  // namespace cosface
