// How far float results are from the reference, and what "relative" is measured against.
//
// The error is |got - expected| / |expected| in the Euclidean norm over the whole array, with two
// exceptions that the numbers themselves force:
//
// Floor    Where the expected array is below 1e-12 of its natural size, the natural size is the
//          denominator. A gradient goes through a projection, g - (g.u)u, that is exactly zero when
//          D = 1 or when all vectors are parallel. The reference then holds its own rounding (1e-16
//          of g), and no float result could be compared with that. The natural size is |g| before
//          the projection; it carries the factor 1 - p_y, so that it shrinks with confident rows
//          and these stay under the strict rule.
// Float    Differences up to FLT_MIN are not counted: a loss of e^-100 has no normal float.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "problem_data.h"
#include "reference/margin_softmax_reference.h"
#include "reference/target_logit.h"

namespace cosface::test {

inline double relative_error(const std::vector<float>& got, const std::vector<double>& expected, double natural) {
  if (got.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double difference = 0, size = 0;
  for (size_t k = 0; k < expected.size(); k++) {
    if (!std::isfinite(got[k])) return std::numeric_limits<double>::infinity();
    const double e = got[k] - expected[k];
    if (std::abs(e) > FLT_MIN) difference += e * e;
    size += expected[k] * expected[k];
  }
  if (difference == 0) return 0;
  size = std::sqrt(size);
  return std::sqrt(difference) / (size < 1e-12 * natural ? natural : size);
}

struct natural_sizes {
  double loss_sum = 0;  // sum of |loss_i|: the reduced loss when negative weights do not cancel it
  double d_embeddings = 0, d_weights = 0;
};

inline double row_norm(const float* row, int64_t dim) {
  double square = 0;
  for (int64_t d = 0; d < dim; d++) square += static_cast<double>(row[d]) * row[d];
  return std::sqrt(square);
}

// Sizes of the results if nothing cancelled. dL/dcos of a row sums to at most
// 2 s |upstream| (1 - p_y) max(slope, 1) in absolute value.
inline natural_sizes natural_sizes_of(const problem_data& data, const cosface_margin_softmax_options& options,
                                      const reference_results& expected) {
  natural_sizes sizes;
  const double share = options.reduction == COSFACE_REDUCTION_MEAN && expected.counted > 0
                           ? 1.0 / static_cast<double>(expected.counted)
                           : 1.0;
  double smallest_weight = INFINITY;
  for (int64_t c = 0; c < data.shape.classes; c++) {
    const double norm = row_norm(&data.weights[c * data.shape.dim], data.shape.dim);
    if (norm >= COSFACE_ZERO_NORM) smallest_weight = std::min(smallest_weight, norm);
  }
  double embeddings_square = 0, rows = 0;
  for (int64_t i = 0; i < data.shape.batch; i++) {
    const double weight = data.sample_weights.empty() ? 1.0 : data.sample_weights[i];
    if (weight == 0 || data.labels[i] == options.ignore_label) continue;
    const double miss = -std::expm1(-expected.loss[i] / weight);
    const margins m = margins_of(data.view(), options, i);
    const double slope = target_logit_of(expected.target_cosine[i], m, options).slope;
    const double upstream = weight * share * (data.loss_gradient.empty() ? 1.0 : data.loss_gradient[i]);
    const double row = 2 * options.scale * std::abs(upstream) * miss * std::max(slope, 1.0);
    const double norm = row_norm(&data.embeddings[i * data.shape.dim], data.shape.dim);
    if (norm >= COSFACE_ZERO_NORM) embeddings_square += row * row / (norm * norm);
    rows += row;
    sizes.loss_sum += std::abs(expected.loss[i]) * share;
  }
  sizes.d_embeddings = std::sqrt(embeddings_square);
  sizes.d_weights = std::isfinite(smallest_weight) ? rows / smallest_weight : 0;
  return sizes;
}

// In proportion to s beyond 64, since an error in a cosine reaches the logit multiplied by s. The
// promise to users is 2e-6 for the loss and 1e-5 for the gradients. The worst that the tests'
// problems reach is 0.8e-6 and 1.8e-6, so they are held to less than the promise: without the
// dominant negatives in double the gradients fall back to 9.8e-6, which 1e-5 would let pass.
constexpr double scale_beyond_64(double scale) { return std::max(1.0, scale / 64); }
constexpr double loss_tolerance(double scale) { return 2e-6 * scale_beyond_64(scale); }
constexpr double gradient_tolerance(double scale) { return 4e-6 * scale_beyond_64(scale); }

}  // namespace cosface::test
