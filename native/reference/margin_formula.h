// psi and its slope, as host and device compute them: nothing but arithmetic in double. What they mean: margin.h.
#pragma once

#include <math.h>

#include "cosface/margin_softmax.h"

#if defined(__CUDACC__)
#define COSFACE_HOST_DEVICE __host__ __device__
#else
#define COSFACE_HOST_DEVICE
#endif

namespace cosface {

struct margins {
  double m1, m2, m3;
};

// The margined cosine psi(m1 t + m2) - m3 and its derivative by the cosine.
struct margined_cosine {
  double value;
  double slope;
};

COSFACE_HOST_DEVICE inline double clamp_to(double value, double low, double high) {
  return value < low ? low : value > high ? high : value;
}

COSFACE_HOST_DEVICE inline margined_cosine margined_cosine_of(double cosine, const margins& m, bool detached) {
  constexpr double pi = 3.14159265358979323846;
  const double c = clamp_to(cosine, -1.0, 1.0);
  if (m.m1 == 1.0 && m.m2 == 0.0) return {c - m.m3, 1.0};
  const double t = acos(c);
  const double a = m.m1 * t + m.m2;
  const double k = floor(a / pi);
  const double sign = fmod(k, 2.0) == 0.0 ? 1.0 : -1.0;
  const double value = sign * cos(a) - 2.0 * k - m.m3;
  if (detached) return {value, 1.0};
  const double safe_t = clamp_to(t, COSFACE_ANGLE_EPSILON, pi - COSFACE_ANGLE_EPSILON);
  const double slope = m.m1 * fabs(sin(m.m1 * safe_t + m.m2)) / sin(safe_t);
  return {value, slope};
}

// `common`, with the margin that `term` names replaced by `sample_margin`.
COSFACE_HOST_DEVICE inline margins replace_margin(const margins& common, cosface_margin_term term,
                                                  double sample_margin) {
  margins m = common;
  switch (term) {
    case COSFACE_MARGIN_M1: m.m1 = sample_margin; break;
    case COSFACE_MARGIN_M2: m.m2 = sample_margin; break;
    case COSFACE_MARGIN_M3: m.m3 = sample_margin; break;
  }
  return m;
}

}  // namespace cosface
