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

// Two largest cosines closer than this are a tie that float arithmetic may break either way. Exact
// ties have their own test.
constexpr double near_tie = 1e-6;

// One class: the target is certain.
inline void expect_all_zero(const kernel_results& got) {
  for (const float loss : got.loss) EXPECT_EQ(loss, 0);
  for (const float g : got.d_embeddings) EXPECT_EQ(g, 0);
  for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  for (const int32_t p : got.prediction) EXPECT_EQ(p, 0);
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
    const std::vector<bool> clear = clear_winners(data);
    problems_++;
    for (const cosface_isa isa : supported_isas()) {
      cosface_margin_softmax_options here = options;
      here.isa = isa;
      SCOPED_TRACE(testing::Message() << name_ << " " << cosface_isa_name(isa) << " " << data.shape
                                      << " s=" << options.scale << " m=" << options.m1 << "," << options.m2 << ","
                                      << options.m3);
      const kernel_results got = run_kernel(data, here);
      ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
      compare(got, expected, natural, options, worst_[isa]);
      for (size_t i = 0; i < clear.size(); i++) {
        if (!clear[i]) continue;
        predictions_++;
        EXPECT_EQ(got.prediction[i], expected.prediction[i]) << "row " << i;
      }
      const kernel_results loss_only = run_kernel(data, here, false);
      ASSERT_EQ(loss_only.status, COSFACE_OK) << loss_only.error.message;
      EXPECT_LE(relative_error(loss_only.loss, expected.loss, 0), loss_tolerance(options.scale)) << "without gradients";
    }
  }

 private:
  static void compare(const kernel_results& got, const reference_results& expected, const natural_sizes& natural,
                      const cosface_margin_softmax_options& options, accuracy_errors& worst) {
    const accuracy_errors e = {relative_error(got.loss, expected.loss, 0),
                               std::abs(got.reduced_loss - expected.reduced_loss) / std::max(natural.loss_sum, DBL_MIN),
                               relative_error(got.d_embeddings, expected.d_embeddings, natural.d_embeddings),
                               relative_error(got.d_weights, expected.d_weights, natural.d_weights),
                               largest_difference(got.target_cosine, expected.target_cosine)};
    EXPECT_LE(e.loss, loss_tolerance(options.scale));
    EXPECT_LE(e.reduced_loss, loss_tolerance(options.scale));
    EXPECT_LE(e.d_embeddings, gradient_tolerance(options.scale));
    EXPECT_LE(e.d_weights, gradient_tolerance(options.scale));
    EXPECT_LE(e.target_cosine, 1e-6);
    EXPECT_EQ(got.counted, expected.counted);
    const double beyond = scale_beyond_64(options.scale);
    worst.loss = std::max(worst.loss, e.loss / beyond);
    worst.reduced_loss = std::max(worst.reduced_loss, e.reduced_loss / beyond);
    worst.d_embeddings = std::max(worst.d_embeddings, e.d_embeddings / beyond);
    worst.d_weights = std::max(worst.d_weights, e.d_weights / beyond);
    worst.target_cosine = std::max(worst.target_cosine, e.target_cosine);
  }

  static double largest_difference(const std::vector<float>& got, const std::vector<double>& expected) {
    double largest = 0;
    for (size_t i = 0; i < expected.size(); i++) {
      const double e = std::abs(got[i] - expected[i]);
      if (!(e <= largest)) largest = std::isnan(e) ? INFINITY : e;
    }
    return largest;
  }

  // Rows whose largest cosine leads the next by more than near_tie.
  std::vector<bool> clear_winners(const problem_data& data) {
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
      ties_ += !clear[i];
    }
    return clear;
  }

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
