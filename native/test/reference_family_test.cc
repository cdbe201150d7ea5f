// The family in the double reference: against central differences by everything that a loss can be differentiated by,
// on both sides of every kink, and against arithmetic by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "finite_difference.h"
#include "loss_family.h"
#include "reference/margin_softmax_reference.h"
#include "reference/negative_logit.h"
#include "reference/target_logit.h"

namespace cosface::test {
namespace {

constexpr double pi = std::numbers::pi;

reference_problem widened(const family_problem& problem, const cosface_margin_softmax_options& options) {
  return widen(problem.view(), options.sub_centers, options.form == COSFACE_FORM_BINARY);
}

struct step_size {
  double tolerance = 1e-7, step = 1e-5;
};

void expect_differences(reference_problem problem, const cosface_margin_softmax_options& options,
                        const step_size& size = {}) {
  const reference_results r = margin_softmax_reference(problem, options);
  const struct {
    const char* name;
    std::vector<double> reference_problem::*input;
    const std::vector<double>* gradient;
  } inputs[] = {{"embeddings", &reference_problem::embeddings, &r.d_embeddings},
                {"weights", &reference_problem::weights, &r.d_weights},
                {"bias", &reference_problem::bias, &r.d_bias},
                {"sample_weights", &reference_problem::sample_weights, &r.d_sample_weights},
                {"m1", &reference_problem::sample_m1, &r.d_sample_m1},
                {"m2", &reference_problem::sample_m2, &r.d_sample_m2},
                {"m3", &reference_problem::sample_m3, &r.d_sample_m3}};
  for (const auto& by : inputs) {
    if ((problem.*by.input).empty()) continue;
    const auto [difference, length] = compare_with_differences(problem, options, size.step, by.input, *by.gradient);
    EXPECT_LE(difference, size.tolerance * length + 1e-9) << by.name;
  }
}

TEST(reference_family, gradients_are_differences) {
  for (family_member member : loss_family()) {
    if (!member.differences) continue;
    // At the scales of training the losses of six samples in four dimensions are too steep for a step.
    member.options.scale = std::min(member.options.scale, 8.0);
    for (uint64_t seed = 1; seed <= 3; seed++)
      for (const cosface_reduction reduction : {COSFACE_REDUCTION_MEAN, COSFACE_REDUCTION_NONE}) {
        SCOPED_TRACE(testing::Message() << member.name << " seed " << seed << " reduction " << reduction);
        member.options.reduction = reduction;
        family_problem problem = problem_of(member, {6, 5, 4}, seed);
        problem.data.labels[2] = -1;
        problem.data.sample_weights = {0.5f, 1, 2, -1.5f, 3, 1};
        if (reduction == COSFACE_REDUCTION_NONE) add_loss_gradient(problem.data, seed);
        for (int64_t i = 0; i < 6; i++)
          scale_row(problem.data.embedding(i), 4, member.options.normalize_embeddings ? 1 : 1 + 0.5 * double(i));
        expect_differences(widened(problem, member.options), member.options);
      }
  }
}

// A sample at `angle` from its own centre and two others, in the plane.
reference_problem in_the_plane(double angle, double other) {
  problem_data data;
  data.shape = {1, 3, 2};
  data.embeddings = {1, 0};
  data.weights = {0, 0, 0, 0, -0.6f, -0.8f};
  data.labels = {0};
  reference_problem problem = widen(data.view());
  problem.weights[0] = std::cos(angle);
  problem.weights[1] = std::sin(angle);
  problem.weights[2] = std::cos(other);
  problem.weights[3] = -std::sin(other);
  return problem;
}

// Just beside each kink the gradient is that of its side.
TEST(reference_family, beside_every_kink) {
  struct kink {
    const char* name;
    double angle, other;  // where the kink is: of the target, or of the first other class
    bool of_target;
    cosface_margin_softmax_options options;
  };
  std::vector<kink> kinks;
  const auto add = [&](const char* name, double angle, double other, bool of_target) -> auto& {
    kinks.push_back({name, angle, other, of_target, cos_face_options()});
    cosface_margin_softmax_options& o = kinks.back().options;
    o.scale = 4;
    o.m2 = 0.5;
    o.m3 = 0;
    return o;
  };
  for (const auto fallback :
       {COSFACE_FALLBACK_CONTINUOUS, COSFACE_FALLBACK_NONE, COSFACE_FALLBACK_EASY, COSFACE_FALLBACK_HARD}) {
    add("pi", pi - 0.5, 1, true).fallback = fallback;
    add("pi / 2", pi / 2, 1, true).fallback = fallback;
  }
  auto& annealed = add("annealed psi", pi / 4, 1, true);
  annealed.m1 = 4;
  annealed.m2 = 0;
  annealed.annealing = 2;
  for (const auto negatives : {COSFACE_NEGATIVES_CURRICULAR, COSFACE_NEGATIVES_MV_ARC})
    for (const bool of_target : {false, true}) {
      auto& o = add("hard negative", 0.7, 1.2, of_target);  // cos(0.7 + 0.5) = cos 1.2
      o.negatives = negatives;
      o.negatives_t = 0.3;
    }
  auto& filtered = add("filter", 0.7, std::acos(0.4), false);
  filtered.interclass_filter = 0.4;
  for (const bool of_target : {true, false}) {
    auto& o = add("circle's pace", std::acos(0.75), std::acos(-0.25), of_target);
    o.curve = COSFACE_CURVE_CIRCLE;
    o.m3 = of_target ? -0.25 : 0.25;  // 1 + m3 = cos
  }
  auto& power = add("power at -1", 0.7, pi, false);
  power.curve = COSFACE_CURVE_POWER;
  power.curve_exponent = 1.5;
  for (const kink& k : kinks)
    for (const double offset : {-1e-2, -1e-4, 1e-4, 1e-2}) {
      SCOPED_TRACE(testing::Message() << k.name << " fallback " << k.options.fallback << " offset " << offset);
      const reference_problem problem =
          in_the_plane(k.angle + (k.of_target ? offset : 0), k.other + (k.of_target ? 0 : offset));
      expect_differences(problem, k.options, {2e-5, 1e-6});
    }
}

TEST(reference_family, target_logits_by_hand) {
  // cos t = 0.6, sin t = 0.8
  cosface_margin_softmax_options o = cos_face_options();
  o.annealing = 1;
  EXPECT_NEAR(target_logit_of(0.6, {2, 0, 0.2}, o).value, (0.6 - 0.28 - 0.2) / 2, 1e-15);
  EXPECT_NEAR(target_logit_of(0.6, {2, 0, 0.2}, o).slope, (1 + 2.4) / 2, 1e-15);
  o.annealing = 0;
  o.fallback = COSFACE_FALLBACK_NONE;
  EXPECT_NEAR(target_logit_of(0.6, {4, 0, 0}, o).value, 2 * 0.28 * 0.28 - 1, 1e-14);
  o.fallback = COSFACE_FALLBACK_EASY;
  EXPECT_EQ(target_logit_of(-0.6, {1, 0.5, 0.1}, o).value, -0.6 - 0.1);
  o.fallback = COSFACE_FALLBACK_HARD;
  EXPECT_NEAR(target_logit_of(-0.99, {1, 0.5, 0}, o).value, -0.99 - 0.5 * std::sin(0.5), 1e-15);
  o.curve = COSFACE_CURVE_CIRCLE;
  EXPECT_NEAR(target_logit_of(0.6, {1, 0, 0.25}, o).value, 0.65 * -0.15, 1e-15);
  EXPECT_NEAR(target_logit_of(0.6, {1, 0, 0.25}, o).slope, 0.65 + 0.15, 1e-15);
  o.gradient = COSFACE_GRADIENT_DETACHED;
  EXPECT_NEAR(target_logit_of(0.6, {1, 0, 0.25}, o).slope, 0.65, 1e-15);
  o.curve = COSFACE_CURVE_POWER;
  o.curve_exponent = 3;
  EXPECT_NEAR(target_logit_of(0.6, {1, 0, 0.4}, o).value, 2 * 0.512 - 1 - 0.4, 1e-15);
  EXPECT_EQ(target_logit_of(0.6, {1, 0, 0.4}, o).slope, 1);
}

TEST(reference_family, negative_logits_by_hand) {
  cosface_margin_softmax_options o = cos_face_options();
  o.negatives = COSFACE_NEGATIVES_CURRICULAR;
  o.negatives_t = 0.25;
  EXPECT_DOUBLE_EQ(negative_logit_of(0.5, {0.4, 0}, o).value, 0.5 * 0.75);
  EXPECT_DOUBLE_EQ(negative_logit_of(0.5, {0.4, 0}, o).slope, 1.25);
  EXPECT_EQ(negative_logit_of(0.5, {0.5, 0}, o).value, 0.5);
  o.negatives = COSFACE_NEGATIVES_MV_AM;
  EXPECT_DOUBLE_EQ(negative_logit_of(0.5, {0.4, 0}, o).value, 1.25 * 0.5 + 0.25);
  o.interclass_filter = 0.5;
  EXPECT_TRUE(negative_logit_of(0.5, {0.4, 0}, o).counts);
  EXPECT_FALSE(negative_logit_of(0.51, {0.4, 0}, o).counts);
  o.negatives = COSFACE_NEGATIVES_PLAIN;
  o.curve = COSFACE_CURVE_CIRCLE;
  EXPECT_DOUBLE_EQ(negative_logit_of(0.5, {0, 0.25}, o).value, 0.75 * 0.25);
  EXPECT_EQ(negative_logit_of(-0.5, {0, 0.25}, o).slope, 0);
}

}  // namespace
}  // namespace cosface::test
