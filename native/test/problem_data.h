// A problem that owns its arrays, and the distributions the tests draw them from.
#pragma once

#include <cmath>
#include <cstdint>
#include <ostream>
#include <vector>

#include "cosface/margin_softmax.h"
#include "seeded_random.h"

namespace cosface::test {

struct problem_shape {
  int64_t batch, classes, dim;
};

inline std::ostream& operator<<(std::ostream& out, const problem_shape& shape) {
  return out << "N=" << shape.batch << " C=" << shape.classes << " D=" << shape.dim;
}

struct problem_data {
  problem_shape shape{};
  std::vector<float> embeddings, weights;
  std::vector<int32_t> labels;
  std::vector<float> sample_weights, sample_margins, loss_gradient, bias;  // empty: NULL
  cosface_margin_term sample_margin_term = COSFACE_MARGIN_M3;              // which margin sample_margins replaces
  std::vector<int32_t> class_ids;                                          // empty: NULL

  cosface_margin_softmax_problem view() const {
    const auto optional = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
    const auto own_margin = [&](cosface_margin_term term) {
      return term == sample_margin_term ? optional(sample_margins) : nullptr;
    };
    return {.batch = shape.batch,
            .classes = shape.classes,
            .dim = shape.dim,
            .embeddings = embeddings.data(),
            .weights = weights.data(),
            .labels = labels.data(),
            .sample_weights = optional(sample_weights),
            .sample_m1 = own_margin(COSFACE_MARGIN_M1),
            .sample_m2 = own_margin(COSFACE_MARGIN_M2),
            .sample_m3 = own_margin(COSFACE_MARGIN_M3),
            .loss_gradient = optional(loss_gradient),
            .bias = optional(bias),
            .class_ids = class_ids.empty() ? nullptr : class_ids.data(),
            .class_count = static_cast<int64_t>(class_ids.size())};
  }

  float* embedding(int64_t i) { return &embeddings[i * shape.dim]; }
  float* weight(int64_t c) { return &weights[c * shape.dim]; }
};

// CosFace as in the paper, s = 64, m = 0.35, the mean of the batch. Written out, so that the
// reference can be tested without the library; error_test compares the library's defaults.
inline cosface_margin_softmax_options cos_face_options() {
  cosface_margin_softmax_options options{};
  options.scale = 64;
  options.m1 = 1;
  options.m2 = 0;
  options.m3 = 0.35;
  options.ignore_label = -1;
  options.reduction = COSFACE_REDUCTION_MEAN;
  options.gradient = COSFACE_GRADIENT_EXACT;
  options.isa = COSFACE_ISA_AUTO;
  options.threads = 1;
  options.workspace_bytes = int64_t{64} << 20;
  options.normalize_embeddings = options.normalize_weights = 1;
  options.interclass_filter = 2;
  options.sub_centers = 1;
  options.curve_exponent = 1;
  options.positive_weight = options.negative_weight = 1;
  options.bias_sign = 1;
  return options;
}

inline std::vector<float> normal_matrix(seeded_random& random, int64_t count) {
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

// Normal rows, each embedding pulled towards its class by a random amount, so that one batch holds
// everything from hopeless to confident samples.
inline problem_data random_problem(const problem_shape& shape, uint64_t seed) {
  seeded_random random(seed);
  problem_data data;
  data.shape = shape;
  data.embeddings = normal_matrix(random, shape.batch * shape.dim);
  data.weights = normal_matrix(random, shape.classes * shape.dim);
  data.labels.resize(shape.batch);
  for (int64_t i = 0; i < shape.batch; i++) {
    data.labels[i] = static_cast<int32_t>(random.below(shape.classes));
    const float pull = static_cast<float>(random.uniform(0, 2));
    for (int64_t d = 0; d < shape.dim; d++) data.embedding(i)[d] += pull * data.weight(data.labels[i])[d];
  }
  return data;
}

inline void add_sample_weights(problem_data& data, uint64_t seed) {
  seeded_random random(seed);
  data.sample_weights.resize(data.shape.batch);
  for (float& w : data.sample_weights) w = random.below(5) == 0 ? 0.0f : static_cast<float>(random.uniform(-1, 3));
}

inline void add_ignored_labels(problem_data& data, int32_t ignore_label, uint64_t seed) {
  seeded_random random(seed);
  for (int32_t& y : data.labels)
    if (random.below(4) == 0) y = ignore_label;
}

struct interval {
  double low, high;
};

inline void add_sample_margins(problem_data& data, interval range, uint64_t seed) {
  seeded_random random(seed);
  data.sample_margins.resize(data.shape.batch);
  for (float& m : data.sample_margins) m = static_cast<float>(random.uniform(range.low, range.high));
}

inline void add_loss_gradient(problem_data& data, uint64_t seed) {
  seeded_random random(seed);
  data.loss_gradient.resize(data.shape.batch);
  for (float& g : data.loss_gradient) g = static_cast<float>(random.uniform(-2, 2));
}

inline void scale_row(float* row, int64_t dim, double norm) {
  double square = 0;
  for (int64_t d = 0; d < dim; d++) square += static_cast<double>(row[d]) * row[d];
  const double factor = norm / std::sqrt(square);
  for (int64_t d = 0; d < dim; d++) row[d] = static_cast<float>(row[d] * factor);
}

}  // namespace cosface::test
