// M(cos_iy) of every loss of the family, as host and device compute it: nothing but arithmetic in double. What it
// means: target_logit.h.
#pragma once

#include <math.h>

#include "cosface/margin_softmax.h"
#include "reference/host_device.h"
#include "reference/negative_formula.h"

namespace cosface {

struct margins {
  double m1, m2, m3;
};

struct target_logit {
  double value;  // M
  double slope;  // dM / d cos; with the gradient DETACHED what stands in its place
  margins by;    // dM by each margin; of a circle, V of the other classes apart
};

namespace target_formula {

constexpr double pi = 3.14159265358979323846;

// cos a, or psi; and how fast it falls with the angle.
struct bent_angle {
  double value, fall;
};

COSFACE_HOST_DEVICE inline bent_angle bend(double a, bool continuous) {
  if (!continuous) return {cos(a), sin(a)};
  const double k = floor(a / pi);
  const double sign = fmod(k, 2.0) == 0.0 ? 1.0 : -1.0;
  return {sign * cos(a) - 2 * k, fabs(sin(a))};
}

COSFACE_HOST_DEVICE inline target_logit plain_target(double cosine, double m3) { return {cosine - m3, 1, {0, 0, -1}}; }

// The angle with its margin, wherever it leads.
COSFACE_HOST_DEVICE inline target_logit angular_target(double cosine, const margins& m, bool continuous) {
  const double t = acos(cosine);
  const bent_angle bent = bend(m.m1 * t + m.m2, continuous);
  const margins by{-t * bent.fall, -bent.fall, -1};
  if (m.m1 == 1 && m.m2 == 0) return {cosine - m.m3, 1, by};
  const double safe_t = clamp_to(t, COSFACE_ANGLE_EPSILON, pi - COSFACE_ANGLE_EPSILON);
  const double fall = safe_t == t ? bent.fall : bend(m.m1 * safe_t + m.m2, continuous).fall;
  return {bent.value - m.m3, m.m1 * fall / sin(safe_t), by};
}

COSFACE_HOST_DEVICE inline target_logit margined_target(double cosine, const margins& m, cosface_fallback fallback) {
  const double a = m.m1 * acos(cosine) + m.m2;
  if (fallback == COSFACE_FALLBACK_EASY && !(cosine > 0)) return plain_target(cosine, m.m3);
  if (fallback == COSFACE_FALLBACK_HARD && a > pi) {
    const double sine = sin(m.m2);
    return {cosine - m.m2 * sine - m.m3, 1, {0, -sine - m.m2 * cos(m.m2), -1}};
  }
  return angular_target(cosine, m, fallback == COSFACE_FALLBACK_CONTINUOUS);
}

// (lambda cos + M) / (1 + lambda)
COSFACE_HOST_DEVICE inline target_logit annealed(const target_logit& target, double cosine, double lambda) {
  if (lambda == 0) return target;
  const double share = 1 / (1 + lambda);
  const margins& by = target.by;
  return {(lambda * cosine + target.value) * share,
          (lambda + target.slope) * share,
          {by.m1 * share, by.m2 * share, by.m3 * share}};
}

COSFACE_HOST_DEVICE inline target_logit circle_target(double cosine, double m3, bool exact) {
  const double pace = 1 + m3 - cosine > 0 ? 1 + m3 - cosine : 0, rest = cosine - (1 - m3);
  const double own = pace > 0 && exact ? rest : 0;
  return {pace * rest, pace - own, {0, 0, pace + own}};
}

}  // namespace target_formula

COSFACE_HOST_DEVICE inline target_logit target_formula_of(double cosine, const margins& m,
                                                          const cosface_margin_softmax_options& o) {
  using namespace target_formula;
  const double c = clamp_to(cosine, -1.0, 1.0);
  const bool exact = o.gradient == COSFACE_GRADIENT_EXACT;
  if (o.curve == COSFACE_CURVE_CIRCLE) return circle_target(c, m.m3, exact);
  if (o.curve == COSFACE_CURVE_POWER) {
    const curve_point<double> g = power_curve(c, o.curve_exponent, exact);
    return {g.value - m.m3, g.slope, {0, 0, -1}};
  }
  target_logit target = annealed(margined_target(c, m, o.fallback), c, o.annealing);
  if (!exact) target.slope = 1;
  return target;
}

}  // namespace cosface
