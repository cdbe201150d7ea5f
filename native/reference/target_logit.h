// M(cos_iy) of every loss of the family, in double precision: what the target's cosine becomes before the scale.
#pragma once

#include "cosface/margin_softmax.h"
#include "reference/target_formula.h"

namespace cosface {

// `cosine` may stray from [-1, 1] by rounding; it is clamped. Where m1 = 1 and m2 = 0 the cosine itself is taken, with
// slope 1; elsewhere sin t in the slope is bounded as COSFACE_ANGLE_EPSILON says.
target_logit target_logit_of(double cosine, const margins& m, const cosface_margin_softmax_options& options);

// The margins of sample i: the common ones, but for those that it has of its own.
margins margins_of(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
                   int64_t i);

}  // namespace cosface
