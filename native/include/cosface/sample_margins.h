// The per-sample margins of a problem by name, for those who take one of them and its name.
#pragma once

#include "cosface/margin_softmax.h"

namespace cosface {

inline const float*& sample_margin(cosface_margin_softmax_problem& p, cosface_margin_term term) {
  return term == COSFACE_MARGIN_M1 ? p.sample_m1 : term == COSFACE_MARGIN_M2 ? p.sample_m2 : p.sample_m3;
}

// The first margin that samples have of their own, and m3 if none.
inline cosface_margin_term own_margin_term(const cosface_margin_softmax_problem& p) {
  return p.sample_m1 ? COSFACE_MARGIN_M1 : p.sample_m2 ? COSFACE_MARGIN_M2 : COSFACE_MARGIN_M3;
}

inline const float* own_margin(const cosface_margin_softmax_problem& p) {
  return p.sample_m1 ? p.sample_m1 : p.sample_m2 ? p.sample_m2 : p.sample_m3;
}

}  // namespace cosface
