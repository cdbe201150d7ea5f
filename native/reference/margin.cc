#include "reference/margin.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cosface {

margined_cosine apply_margin(double cosine, const margins& m, cosface_gradient gradient) {
  const double c = std::clamp(cosine, -1.0, 1.0);
  if (m.m1 == 1.0 && m.m2 == 0.0) return {c - m.m3, 1.0};
  const double t = std::acos(c);
  const double a = m.m1 * t + m.m2;
  const double k = std::floor(a / std::numbers::pi);
  const double sign = std::fmod(k, 2.0) == 0.0 ? 1.0 : -1.0;
  const double value = sign * std::cos(a) - 2.0 * k - m.m3;
  if (gradient == COSFACE_GRADIENT_DETACHED) return {value, 1.0};
  const double safe_t = std::clamp(t, COSFACE_ANGLE_EPSILON, std::numbers::pi - COSFACE_ANGLE_EPSILON);
  const double slope = m.m1 * std::abs(std::sin(m.m1 * safe_t + m.m2)) / std::sin(safe_t);
  return {value, slope};
}

margins sample_margins_of(const margins& common, cosface_margin_term term, const float* sample_margin) {
  margins m = common;
  if (sample_margin == nullptr) return m;
  switch (term) {
    case COSFACE_MARGIN_M1: m.m1 = *sample_margin; break;
    case COSFACE_MARGIN_M2: m.m2 = *sample_margin; break;
    case COSFACE_MARGIN_M3: m.m3 = *sample_margin; break;
  }
  return m;
}

}  // namespace cosface
