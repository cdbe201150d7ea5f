// What the bounds of docs/math.md sections 7 and 8 are made of, from the reference: for each sample its
// upstream gradient, what its target lacks to certainty and the slope of its margin.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <vector>

#include "relative_error.h"

namespace cosface::test {

struct sample_scale {
  double upstream = 0;  // |g_i|, 0 where ignored
  double miss = 0;      // 1 - p_iy
  double slope = 1;     // |psi'_i|
  double norm = 0;      // |x_i|
};

inline std::vector<sample_scale> sample_scales_of(const problem_data& data,
                                                  const cosface_margin_softmax_options& options,
                                                  const reference_results& expected) {
  const double share = options.reduction == COSFACE_REDUCTION_MEAN && expected.counted > 0
                           ? 1.0 / static_cast<double>(expected.counted)
                           : 1.0;
  std::vector<sample_scale> scales(data.shape.batch);
  for (int64_t i = 0; i < data.shape.batch; i++) {
    sample_scale& scale = scales[i];
    scale.norm = row_norm(&data.embeddings[i * data.shape.dim], data.shape.dim);
    const double weight = data.sample_weights.empty() ? 1.0 : data.sample_weights[i];
    if (weight == 0 || data.labels[i] == options.ignore_label) continue;
    const margins m = margins_of(data.view(), options, i);
    scale.miss = -std::expm1(-expected.loss[i] / weight);
    scale.slope = std::abs(target_logit_of(expected.target_cosine[i], m, options).slope);
    scale.upstream = std::abs(weight * share * (data.loss_gradient.empty() ? 1.0 : data.loss_gradient[i]));
  }
  return scales;
}

// What fp32 arithmetic may add to a bound of a sample's gradient, times |x_i|.
inline double fp32_allowance(const sample_scale& sample, double scale) {
  return gradient_tolerance(scale) * 2 * scale * sample.upstream * sample.miss * std::max(sample.slope, 1.0);
}

// |row of got - row of expected|; differences up to FLT_MIN do not count, as in relative_error.
template <class number>
double row_difference(const std::vector<float>& got, const std::vector<number>& expected, int64_t row, int64_t dim) {
  double square = 0;
  for (int64_t k = row * dim; k < (row + 1) * dim; k++) {
    const double e = static_cast<double>(got[k]) - static_cast<double>(expected[k]);
    if (!(std::abs(e) <= FLT_MIN)) square += e * e;
  }
  return std::isnan(square) ? INFINITY : std::sqrt(square);
}

// sum_c |w_c| |row of got - row of expected|
template <class number>
double weighed_difference(const problem_data& data, const std::vector<float>& got,
                          const std::vector<number>& expected) {
  double sum = 0;
  for (int64_t c = 0; c < data.shape.classes; c++)
    sum +=
        row_norm(&data.weights[c * data.shape.dim], data.shape.dim) * row_difference(got, expected, c, data.shape.dim);
  return sum;
}

}  // namespace cosface::test
