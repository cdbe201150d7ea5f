// V(v_ic) of every loss of the family, in double precision: what the score of another class becomes before the scale.
#pragma once

#include "reference/negative_formula.h"

namespace cosface {

using negative_logit = negative_point<double>;
using sample_rule = sample_rule_of<double>;

negative_logit negative_logit_of(double v, const sample_rule& rule, const cosface_margin_softmax_options& options);

// Whether V(v) = v for every class.
inline bool has_plain_negatives(const cosface_margin_softmax_options& options) {
  return options.curve == COSFACE_CURVE_COSINE && options.negatives == COSFACE_NEGATIVES_PLAIN;
}

// 1 turns it off: rounding must not leave out a cosine of 1.
inline bool filters_classes(const cosface_margin_softmax_options& options) { return options.interclass_filter < 1; }

}  // namespace cosface
