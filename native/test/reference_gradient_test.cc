// The reference against arithmetic done by hand and against central differences: the ground that
// every other accuracy test stands on.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "finite_difference.h"
#include "problem_data.h"
#include "reference/margin_softmax_reference.h"
#include "reference/target_logit.h"

namespace cosface::test {
namespace {

constexpr double pi = std::numbers::pi;

struct named_margins {
  std::string name;
  margins m;
};

std::vector<named_margins> margin_family() {
  return {{"norm_face", {1, 0, 0}},      {"cos_face", {1, 0, 0.35}},       {"arc_face", {1, 0.5, 0}},
          {"sphere_face_4", {4, 0, 0}},  {"sphere_face_1.7", {1.7, 0, 0}}, {"combined", {0.9, 0.4, 0.15}},
          {"multiple_16", {16, 0, 0.1}}, {"past_pi", {2.5, 3.0, 0.2}}};
}

cosface_margin_softmax_options options_with(const margins& m, double scale) {
  cosface_margin_softmax_options options = cos_face_options();
  options.scale = scale;
  options.m1 = m.m1;
  options.m2 = m.m2;
  options.m3 = m.m3;
  return options;
}

double difference_error(reference_problem& problem, const cosface_margin_softmax_options& options, double step,
                        std::vector<double> reference_problem::*input, const std::vector<double>& gradient) {
  const auto [difference, length] = compare_with_differences(problem, options, step, input, gradient);
  return difference / length;
}

// M of a loss with nothing but margins.
target_logit apply_margin(double cosine, const margins& m, cosface_gradient gradient) {
  cosface_margin_softmax_options options = options_with(m, 64);
  options.gradient = gradient;
  return target_logit_of(cosine, m, options);
}

// Relative L2 error of both gradients. With unit-sized rows, h = 1e-4 and s = 16 the truncation is
// about (s m1 h)^4 / 30 of the gradient and the rounding about 1e-16 loss / h: both below 1e-9 for
// m1 <= 4; `tolerance` says what a case needs beyond.
void expect_gradient(const problem_data& data, const cosface_margin_softmax_options& options, double tolerance = 1e-8,
                     double step = 1e-4) {
  reference_problem problem = widen(data.view());
  const reference_results r = margin_softmax_reference(problem, options);
  EXPECT_LE(difference_error(problem, options, step, &reference_problem::embeddings, r.d_embeddings), tolerance);
  EXPECT_LE(difference_error(problem, options, step, &reference_problem::weights, r.d_weights), tolerance);
}

problem_data small_problem(uint64_t seed) {
  problem_data data = random_problem({6, 5, 4}, seed);
  // Rows of norm 1 make the step h an angle.
  for (int64_t i = 0; i < data.shape.batch; i++) scale_row(data.embedding(i), data.shape.dim, 1 + 0.25 * double(i));
  for (int64_t c = 0; c < data.shape.classes; c++) scale_row(data.weight(c), data.shape.dim, 2 - 0.25 * double(c));
  return data;
}

// One sample and one other class at exactly `angle` from the target's centre, in the plane.
problem_data sample_at_angle(double angle) {
  problem_data data;
  data.shape = {1, 2, 2};
  data.embeddings = {1, 0};
  data.weights = {float(std::cos(angle)), float(std::sin(angle)), 0.6f, -0.8f};
  data.labels = {0};
  return data;
}

TEST(reference_value, cos_face_by_hand) {
  // x = (3, 4), w_0 = (1, 0), w_1 = (0, 2): cos = 0.6 and 0.8. y = 0, s = 2, m3 = 0.1:
  //   z = 2 (0.6 - 0.1), 2 0.8 = 1, 1.6;  loss = log(1 + e^0.6);  1 - p_y = 1 / (1 + e^-0.6)
  //   g = dL/dcos = s (1 - p_y) (-1, 1)
  //   dx  = sum_c g_c (w^_c - cos_c x^) / 5 = g_1 ((-0.48, 0.36) - (0.64, -0.48)) / 5 = g_1 (-0.224, 0.168)
  //   dw_0 = g_0 (x^ - 0.6 (1, 0)) / 1 = g_0 (0, 0.8)
  //   dw_1 = g_1 (x^ - 0.8 (0, 1)) / 2 = g_1 (0.3, 0)
  problem_data data;
  data.shape = {1, 2, 2};
  data.embeddings = {3, 4};
  data.weights = {1, 0, 0, 2};
  data.labels = {0};
  const reference_results r = margin_softmax_reference(widen(data.view()), options_with({1, 0, 0.1}, 2));
  const double g = 2 / (1 + std::exp(-0.6));
  EXPECT_NEAR(r.loss[0], 1.0374879504858856, 1e-15);
  EXPECT_NEAR(r.reduced_loss, 1.0374879504858856, 1e-15);
  EXPECT_NEAR(r.target_cosine[0], 0.6, 1e-15);
  EXPECT_EQ(r.prediction[0], 1);
  EXPECT_EQ(r.counted, 1);
  const std::vector<double> dx = {-0.224 * g, 0.168 * g}, dw = {0, -0.8 * g, 0.3 * g, 0};
  for (int k = 0; k < 2; k++) EXPECT_NEAR(r.d_embeddings[k], dx[k], 1e-15) << k;
  for (int k = 0; k < 4; k++) EXPECT_NEAR(r.d_weights[k], dw[k], 1e-15) << k;
}

TEST(reference_value, margins_by_hand) {
  // cos t = 0.6, so sin t = 0.8.
  struct hand_case {
    margins m;
    double value, slope;
  };
  const std::vector<hand_case> cases = {
      {{1, 0, 0.35}, 0.25, 1},
      // m2 = pi/2 - t: cos(pi/2) = 0, slope = sin(pi/2) / 0.8.
      {{1, pi / 2 - std::acos(0.6), 0}, 0, 1.25},
      // cos 2t = 2 0.36 - 1, slope = 2 sin 2t / sin t = 4 cos t.
      {{2, 0, 0}, -0.28, 2.4},
      // 4t = 212.5 degrees, k = 1: -(2 0.28^2 - 1) - 2; sin 4t = 2 (0.96) (-0.28), slope = 4 0.5376 / 0.8.
      {{4, 0, 0}, -1.1568, 2.688},
      // a = t - pi/2 in (-pi, 0), k = -1: -cos a + 2 = 2 - sin t; slope = |sin a| / sin t = 0.6 / 0.8.
      {{1, -pi / 2, 0}, 1.2, 0.75}};
  for (const hand_case& hand : cases) {
    const target_logit got = apply_margin(0.6, hand.m, COSFACE_GRADIENT_EXACT);
    EXPECT_NEAR(got.value, hand.value, 1e-14) << hand.m.m1 << " " << hand.m.m2;
    EXPECT_NEAR(got.slope, hand.slope, 1e-14) << hand.m.m1 << " " << hand.m.m2;
    const target_logit detached = apply_margin(0.6, hand.m, COSFACE_GRADIENT_DETACHED);
    EXPECT_EQ(detached.value, got.value);
    EXPECT_EQ(detached.slope, 1);
  }
}

TEST(reference_value, one_class_costs_nothing) {
  const reference_results r = margin_softmax_reference(widen(random_problem({3, 1, 4}, 1).view()), cos_face_options());
  for (const double loss : r.loss) EXPECT_EQ(loss, 0);
  for (const double g : r.d_embeddings) EXPECT_EQ(g, 0);
  for (const double g : r.d_weights) EXPECT_EQ(g, 0);
}

TEST(reference_value, zero_rows_are_cosine_zero_and_gradient_zero) {
  problem_data data = random_problem({3, 4, 5}, 2);
  for (int64_t d = 0; d < 5; d++) data.embedding(1)[d] = data.weight(2)[d] = 0;
  data.labels = {0, 2, 2};
  // s = 1, cos = 0 everywhere in row 1, m3 = 0: log C.
  const reference_results r = margin_softmax_reference(widen(data.view()), options_with({1, 0, 0}, 1));
  EXPECT_NEAR(r.loss[1], std::log(4.0), 1e-15);
  EXPECT_EQ(r.target_cosine[2], 0);
  for (int64_t d = 0; d < 5; d++) {
    EXPECT_EQ(r.d_embeddings[5 + d], 0);
    EXPECT_EQ(r.d_weights[10 + d], 0);
  }
}

TEST(reference_gradient, every_margin) {
  for (const named_margins& family : margin_family()) {
    SCOPED_TRACE(family.name);
    // m1 = 16 turns the angle so fast that the truncation (s m1 h)^4 / 30 asks for a shorter step.
    const bool steep = family.m.m1 > 4;
    for (uint64_t seed = 1; seed <= 4; seed++)
      expect_gradient(small_problem(seed), options_with(family.m, 16), steep ? 1e-6 : 1e-8, steep ? 1e-5 : 1e-4);
  }
}

TEST(reference_gradient, every_reduction) {
  for (const cosface_reduction reduction : {COSFACE_REDUCTION_MEAN, COSFACE_REDUCTION_SUM, COSFACE_REDUCTION_NONE}) {
    cosface_margin_softmax_options options = options_with({0.9, 0.4, 0.15}, 16);
    options.reduction = reduction;
    problem_data data = small_problem(5);
    if (reduction == COSFACE_REDUCTION_NONE) add_loss_gradient(data, 6);
    SCOPED_TRACE(reduction);
    expect_gradient(data, options);
  }
}

TEST(reference_gradient, weights_and_ignored_labels) {
  for (const cosface_reduction reduction : {COSFACE_REDUCTION_MEAN, COSFACE_REDUCTION_SUM}) {
    cosface_margin_softmax_options options = options_with({1, 0.5, 0}, 16);
    options.reduction = reduction;
    options.ignore_label = -5;
    problem_data data = small_problem(7);
    data.sample_weights = {0.5f, 0, -1.5f, 2, 1, 3};
    data.labels[3] = -5;
    expect_gradient(data, options);
    EXPECT_EQ(margin_softmax_reference(widen(data.view()), options).counted, 4);
  }
}

TEST(reference_gradient, sample_margins_of_each_term) {
  const std::vector<interval> ranges = {{0.5, 4}, {-1, 2}, {-1, 1.5}};
  for (int term = COSFACE_MARGIN_M1; term <= COSFACE_MARGIN_M3; term++) {
    SCOPED_TRACE(term);
    problem_data data = small_problem(8);
    add_sample_margins(data, ranges[term - 1], 9);
    cosface_margin_softmax_options options = options_with({0.9, 0.4, 0.15}, 16);
    data.sample_margin_term = static_cast<cosface_margin_term>(term);
    expect_gradient(data, options);
    // They act: dropping them changes the loss.
    problem_data without = data;
    without.sample_margins.clear();
    EXPECT_NE(objective(widen(data.view()), options), objective(widen(without.view()), options));
  }
}

TEST(reference_gradient, near_kinks_of_psi) {
  // At a = k pi psi has slope 0 from both sides and the second derivative jumps by 2 m1^2 / sin^2 t,
  // so a difference that straddles the kink is off by h times that: h = 1e-6 asks for 1e-4.
  for (const double m1 : {1.7, 3.0, 4.0})
    for (int k = 1; k * pi / m1 < pi; k++)
      for (const double offset : {-1e-2, -1e-5, -1e-7, 0.0, 1e-7, 1e-5, 1e-2}) {
        SCOPED_TRACE(testing::Message() << "m1=" << m1 << " k=" << k << " offset=" << offset);
        expect_gradient(sample_at_angle(k * pi / m1 + offset), options_with({m1, 0, 0}, 8), 1e-4, 1e-6);
      }
}

TEST(reference_gradient, confident_rows) {
  // 1 - p_y = e^-u is about 1e-16 for u = s (cos_y - m3 - cos_other), where 1 - p in double has no
  // digit left. Differences of the loss itself keep theirs: the loss is e^-u too.
  problem_data data = sample_at_angle(0.2);
  data.weights[2] = -0.2f;
  data.weights[3] = 0.9f;
  for (const double scale : {16.0, 32.0, 64.0}) {
    const cosface_margin_softmax_options options = options_with({1, 0, 0.1}, scale);
    const reference_results r = margin_softmax_reference(widen(data.view()), options);
    const double w1 = std::hypot(-0.2, 0.9);
    const double u = scale * (std::cos(0.2) - 0.1 + 0.2 / w1);
    EXPECT_NEAR(r.loss[0] / std::exp(-u), 1, 1e-5);
    expect_gradient(data, options, 1e-6, 2e-5);
  }
}

TEST(reference_gradient, detached_is_the_exact_gradient_of_the_frozen_margin) {
  // Detached takes d z_y / d cos as s. The loss whose exact gradient that is has the target logit
  // s (cos - m) with m = cos_0 - psi(cos_0) held at its value.
  for (const named_margins& family : margin_family()) {
    const problem_data data = random_problem({1, 5, 4}, 11);
    cosface_margin_softmax_options options = options_with(family.m, 16);
    options.gradient = COSFACE_GRADIENT_DETACHED;
    const reference_results detached = margin_softmax_reference(widen(data.view()), options);
    const double cosine = detached.target_cosine[0];
    const double frozen = cosine - apply_margin(cosine, family.m, COSFACE_GRADIENT_EXACT).value;
    const reference_results exact = margin_softmax_reference(widen(data.view()), options_with({1, 0, frozen}, 16));
    EXPECT_NEAR(detached.loss[0], exact.loss[0], 1e-12 * exact.loss[0]) << family.name;
    for (size_t k = 0; k < exact.d_embeddings.size(); k++)
      EXPECT_NEAR(detached.d_embeddings[k], exact.d_embeddings[k], 1e-12) << family.name;
    for (size_t k = 0; k < exact.d_weights.size(); k++)
      EXPECT_NEAR(detached.d_weights[k], exact.d_weights[k], 1e-12) << family.name;
  }
}

TEST(psi, continuous_and_falling_in_the_angle) {
  constexpr int steps = 200000;
  for (const named_margins& family : margin_family()) {
    SCOPED_TRACE(family.name);
    double previous = apply_margin(1, family.m, COSFACE_GRADIENT_EXACT).value;
    for (int k = 1; k <= steps; k++) {
      const double value = apply_margin(std::cos(pi * k / steps), family.m, COSFACE_GRADIENT_EXACT).value;
      // psi is Lipschitz in t with constant m1; acos(cos t) is off by up to 1e-8 near the ends.
      ASSERT_LE(value, previous + 1e-7 * family.m.m1) << "rises at step " << k;
      ASSERT_GE(value, previous - family.m.m1 * (pi / steps + 1e-7)) << "jumps at step " << k;
      previous = value;
    }
  }
}

TEST(psi, slope_is_the_derivative) {
  for (const named_margins& family : margin_family())
    for (int k = 1; k < 500; k++) {
      const double t = pi * k / 500, c = std::cos(t);
      const double h = 1e-5 * std::sin(t) * std::sin(t);
      const auto value = [&](double d) { return apply_margin(c + d, family.m, COSFACE_GRADIENT_EXACT).value; };
      const double slope = apply_margin(c, family.m, COSFACE_GRADIENT_EXACT).slope;
      const double numeric = (value(h) - value(-h)) / (2 * h);
      // h m1^2 / sin^2 t where the step straddles a kink, 1e-16 a / h of rounding.
      EXPECT_NEAR(numeric, slope, 2e-5 * family.m.m1 * family.m.m1 + 1e-10 / h * 1e-5) << family.name << " t=" << t;
    }
}

TEST(psi, slope_is_finite_and_bounded_at_the_ends) {
  for (const named_margins& family : margin_family())
    for (const double c : {1.0, -1.0, 1.0 + 1e-9, -1.0 - 1e-9}) {
      const target_logit got = apply_margin(c, family.m, COSFACE_GRADIENT_EXACT);
      EXPECT_TRUE(std::isfinite(got.value)) << family.name;
      EXPECT_GE(got.slope, 0) << family.name;
      EXPECT_LE(got.slope, family.m.m1 / std::sin(COSFACE_ANGLE_EPSILON)) << family.name;
    }
}

}  // namespace
}  // namespace cosface::test
