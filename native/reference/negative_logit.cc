#include "reference/negative_logit.h"

namespace cosface {

negative_logit negative_logit_of(double v, const sample_rule& rule, const cosface_margin_softmax_options& o) {
  return negative_formula_of(v, rule, negative_options_of<double>(o));
}

}  // namespace cosface
