#include "reference/target_logit.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "reference/negative_logit.h"

namespace cosface {
namespace {

constexpr double pi = std::numbers::pi;

// cos a, or psi; and how fast it falls with the angle.
struct bent_angle {
  double value, fall;
};

bent_angle bend(double a, bool continuous) {
  if (!continuous) return {std::cos(a), std::sin(a)};
  const double k = std::floor(a / pi);
  const double sign = std::fmod(k, 2.0) == 0.0 ? 1.0 : -1.0;
  return {sign * std::cos(a) - 2 * k, std::abs(std::sin(a))};
}

target_logit plain_target(double cosine, double m3) { return {cosine - m3, 1, {0, 0, -1}}; }

// The angle with its margin, wherever it leads.
target_logit angular_target(double cosine, const margins& m, bool continuous) {
  const double t = std::acos(cosine);
  const bent_angle bent = bend(m.m1 * t + m.m2, continuous);
  const margins by{-t * bent.fall, -bent.fall, -1};
  if (m.m1 == 1 && m.m2 == 0) return {cosine - m.m3, 1, by};
  const double safe_t = std::clamp(t, COSFACE_ANGLE_EPSILON, pi - COSFACE_ANGLE_EPSILON);
  const double fall = bend(m.m1 * safe_t + m.m2, continuous).fall;
  return {bent.value - m.m3, m.m1 * fall / std::sin(safe_t), by};
}

target_logit margined_target(double cosine, const margins& m, cosface_fallback fallback) {
  const double a = m.m1 * std::acos(cosine) + m.m2;
  if (fallback == COSFACE_FALLBACK_EASY && !(cosine > 0)) return plain_target(cosine, m.m3);
  if (fallback == COSFACE_FALLBACK_HARD && a > pi) {
    const double sine = std::sin(m.m2);
    return {cosine - m.m2 * sine - m.m3, 1, {0, -sine - m.m2 * std::cos(m.m2), -1}};
  }
  return angular_target(cosine, m, fallback == COSFACE_FALLBACK_CONTINUOUS);
}

// (lambda cos + M) / (1 + lambda)
target_logit annealed(const target_logit& target, double cosine, double lambda) {
  if (lambda == 0) return target;
  const double share = 1 / (1 + lambda);
  const margins& by = target.by;
  return {(lambda * cosine + target.value) * share,
          (lambda + target.slope) * share,
          {by.m1 * share, by.m2 * share, by.m3 * share}};
}

target_logit circle_target(double cosine, double m3, bool exact) {
  const double pace = std::max(1 + m3 - cosine, 0.0), rest = cosine - (1 - m3);
  const double own = pace > 0 && exact ? rest : 0;
  return {pace * rest, pace - own, {0, 0, pace + own}};
}

}  // namespace

target_logit target_logit_of(double cosine, const margins& m, const cosface_margin_softmax_options& o) {
  const double c = std::clamp(cosine, -1.0, 1.0);
  const bool exact = o.gradient == COSFACE_GRADIENT_EXACT;
  if (o.curve == COSFACE_CURVE_CIRCLE) return circle_target(c, m.m3, exact);
  if (o.curve == COSFACE_CURVE_POWER) {
    const curve_point g = power_curve(c, o.curve_exponent, exact);
    return {g.value - m.m3, g.slope, {0, 0, -1}};
  }
  target_logit target = annealed(margined_target(c, m, o.fallback), c, o.annealing);
  if (!exact) target.slope = 1;
  return target;
}

margins margins_of(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o, int64_t i) {
  return {p.sample_m1 ? p.sample_m1[i] : o.m1, p.sample_m2 ? p.sample_m2[i] : o.m2,
          p.sample_m3 ? p.sample_m3[i] : o.m3};
}

}  // namespace cosface
