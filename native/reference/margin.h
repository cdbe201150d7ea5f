// The margin on the target's cosine, in double precision: the one place that knows psi.
//
//   psi(a) = (-1)^k cos(a) - 2k,  a = m1 t + m2,  t = acos(cos),  k = floor(a / pi)
//
// On [0, pi] psi is cos. Beyond, it goes on falling without a jump (SphereFace, CVPR 2017, eq. 7,
// for real m1 and an offset), so a larger angle never costs less. For a < 0, which a negative
// per-sample m2 can reach, the same formula keeps rising above 1.
#pragma once

#include "cosface/margin_softmax.h"
#include "reference/margin_formula.h"

namespace cosface {

// `cosine` may stray from [-1, 1] by rounding; it is clamped. With m1 = 1 and m2 = 0 no angle is
// formed and the slope is exactly 1. Elsewhere the slope is m1 |sin a| / sin t with t clamped as
// COSFACE_ANGLE_EPSILON says; DETACHED makes it 1.
margined_cosine apply_margin(double cosine, const margins& m, cosface_gradient gradient);

}  // namespace cosface
