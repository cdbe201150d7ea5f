// Runs one problem on every instruction set, holds it to the reference and keeps the worst error of
// a group of such problems, so that the documentation can quote measured figures.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "kernel_call.h"
#include "relative_error.h"

namespace cosface::test {

// Relative errors, divided by s / 64 where s is beyond 64, so that one figure stands for all scales.
struct accuracy_errors {
  double loss = 0, reduced_loss = 0, d_embeddings = 0, d_weights = 0, target_cosine = 0;
};

// How far a kernel may be from the reference, up to s = 64; beyond, loss and gradients in proportion to s.
struct accuracy_tolerances {
  double loss = loss_tolerance(1), gradients = gradient_tolerance(1), target_cosine = 1e-6;
  // Two largest cosines closer than this are a tie that its arithmetic may break either way. Exact ties have their own
  // test.
  double near_tie = 1e-6;
};

// One class: the target is certain.
inline void expect_all_zero(const kernel_results& got) {
  for (const float loss : got.loss) EXPECT_EQ(loss, 0);
  for (const float g : got.d_embeddings) EXPECT_EQ(g, 0);
  for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  for (const int32_t p : got.prediction) EXPECT_EQ(p, 0);
}

inline double largest_difference(const std::vector<float>& got, const std::vector<double>& expected) {
  double largest = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    const double e = std::abs(got[i] - expected[i]);
    if (!(e <= largest)) largest = std::isnan(e) ? INFINITY : e;
  }
  return largest;
}

// Holds `got` to the reference and raises the worst errors to its own.
inline void expect_accurate(const kernel_results& got, const reference_results& expected, const natural_sizes& natural,
                            double scale, const accuracy_tolerances& tolerances, accuracy_errors& worst) {
  const double beyond = scale_beyond_64(scale);
  const auto relative = [beyond](double error) { return error / beyond; };
  const accuracy_errors e = {
      relative(relative_error(got.loss, expected.loss, 0)),
      relative(std::abs(got.reduced_loss - expected.reduced_loss) / std::max(natural.loss_sum, DBL_MIN)),
      relative(relative_error(got.d_embeddings, expected.d_embeddings, natural.d_embeddings)),
      relative(relative_error(got.d_weights, expected.d_weights, natural.d_weights)),
      largest_difference(got.target_cosine, expected.target_cosine)};
  EXPECT_LE(e.loss, tolerances.loss);
  EXPECT_LE(e.reduced_loss, tolerances.loss);
  EXPECT_LE(e.d_embeddings, tolerances.gradients);
  EXPECT_LE(e.d_weights, tolerances.gradients);
  EXPECT_LE(e.target_cosine, tolerances.target_cosine);
  EXPECT_EQ(got.counted, expected.counted);
  worst.loss = std::max(worst.loss, e.loss);
  worst.reduced_loss = std::max(worst.reduced_loss, e.reduced_loss);
  worst.d_embeddings = std::max(worst.d_embeddings, e.d_embeddings);
  worst.d_weights = std::max(worst.d_weights, e.d_weights);
  worst.target_cosine = std::max(worst.target_cosine, e.target_cosine);
}

// Rows whose largest cosine leads the next by at least near_tie.
inline std::vector<bool> clear_winners(const problem_data& data, double near_tie) {
  const auto [batch, classes, dim] = data.shape;
  std::vector<double> inverse(classes);
  for (int64_t c = 0; c < classes; c++) {
    const double norm = row_norm(&data.weights[c * dim], dim);
    inverse[c] = norm < COSFACE_ZERO_NORM ? 0 : 1 / norm;
  }
  std::vector<bool> clear(batch);
  for (int64_t i = 0; i < batch; i++) {
    const double norm = row_norm(&data.embeddings[i * dim], dim);
    double best = -INFINITY, second = -INFINITY;
    for (int64_t c = 0; c < classes; c++) {
      double sum = 0;
      for (int64_t d = 0; d < dim; d++)
        sum += static_cast<double>(data.embeddings[i * dim + d]) * data.weights[c * dim + d];
      const double cosine = norm < COSFACE_ZERO_NORM ? 0 : sum * inverse[c] / norm;
      second = std::max(second, std::min(best, cosine));
      best = std::max(best, cosine);
    }
    clear[i] = !(best - second < near_tie);
  }
  return clear;
}

// Predictions of the rows that have a clear winner. Returns how many were compared.
inline int64_t expect_predictions(const kernel_results& got, const reference_results& expected,
                                  const std::vector<bool>& clear) {
  int64_t compared = 0;
  for (size_t i = 0; i < clear.size(); i++) {
    if (!clear[i]) continue;
    compared++;
    EXPECT_EQ(got.prediction[i], expected.prediction[i]) << "row " << i;
  }
  return compared;
}

class accuracy_group {
 public:
  explicit accuracy_group(std::string name) : name_(std::move(name)) {}

  ~accuracy_group() {
    for (const auto& [isa, worst] : worst_) {
      const std::string isa_name = cosface_isa_name(isa);
      std::printf("[ accuracy ] %-24s %-6s loss %.1e reduced %.1e d_embeddings %.1e d_weights %.1e cosine %.1e\n",
                  name_.c_str(), isa_name.c_str(), worst.loss, worst.reduced_loss, worst.d_embeddings, worst.d_weights,
                  worst.target_cosine);
      record(isa_name + "_loss", worst.loss);
      record(isa_name + "_d_embeddings", worst.d_embeddings);
      record(isa_name + "_d_weights", worst.d_weights);
    }
    std::printf("[ accuracy ] %-24s %lld problems, %lld predictions compared, %lld near ties skipped\n", name_.c_str(),
                static_cast<long long>(problems_), static_cast<long long>(predictions_), static_cast<long long>(ties_));
  }

  void check(const problem_data& data, const cosface_margin_softmax_options& options) {
    const reference_results expected = margin_softmax_reference(widen(data.view()), options);
    const natural_sizes natural = natural_sizes_of(data, options, expected);
    const accuracy_tolerances tolerances;
    const std::vector<bool> clear = clear_winners(data, tolerances.near_tie);
    ties_ += std::count(clear.begin(), clear.end(), false);
    problems_++;
    for (const cosface_isa isa : supported_isas()) {
      cosface_margin_softmax_options here = options;
      here.isa = isa;
      SCOPED_TRACE(testing::Message() << name_ << " " << cosface_isa_name(isa) << " " << data.shape
                                      << " s=" << options.scale << " m=" << options.m1 << "," << options.m2 << ","
                                      << options.m3);
      const kernel_results got = run_kernel(data, here);
      ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
      expect_accurate(got, expected, natural, options.scale, tolerances, worst_[isa]);
      predictions_ += expect_predictions(got, expected, clear);
      const kernel_results loss_only = run_kernel(data, here, false);
      ASSERT_EQ(loss_only.status, COSFACE_OK) << loss_only.error.message;
      EXPECT_LE(relative_error(loss_only.loss, expected.loss, 0), loss_tolerance(options.scale)) << "without gradients";
    }
  }

 private:
  static void record(const std::string& key, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2e", value);
    testing::Test::RecordProperty(key, text);
  }

  std::string name_;
  std::map<cosface_isa, accuracy_errors> worst_;
  int64_t problems_ = 0, predictions_ = 0, ties_ = 0;
};

}  // namespace cosface::test
