// M(cos_iy) of every loss of the family, in double precision: what the target's cosine becomes before the scale. The
// margin on the angle, unless an option says otherwise:
//
//   psi(a) = (-1)^k cos(a) - 2k,  a = m1 t + m2,  t = acos(cos),  k = floor(a / pi)
//
// On [0, pi] psi is cos. Beyond, it goes on falling without a jump (SphereFace, CVPR 2017, eq. 7, for real m1 and an
// offset), so a larger angle never costs less. For a < 0, which a negative per-sample m2 can reach, the same formula
// keeps rising above 1.
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
