#include "reference/target_logit.h"

namespace cosface {

target_logit target_logit_of(double cosine, const margins& m, const cosface_margin_softmax_options& o) {
  return target_formula_of(cosine, m, o);
}

margins margins_of(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o, int64_t i) {
  return {p.sample_m1 ? p.sample_m1[i] : o.m1, p.sample_m2 ? p.sample_m2[i] : o.m2,
          p.sample_m3 ? p.sample_m3[i] : o.m3};
}

}  // namespace cosface
