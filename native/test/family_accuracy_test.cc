// Every loss of the family on every instruction set against the double reference: ragged shapes, plans, hard inputs,
// precisions, the gradient filter; and the same bits on any number of threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "kernel_call.h"
#include "loss_family.h"
#include "reference/target_logit.h"
#include "relative_error.h"

namespace cosface::test {
namespace {

constexpr int64_t budgets[] = {0, int64_t{64} << 20};

double cosine_of(const float* x, const float* w, int64_t dim) {
  double sum = 0;
  for (int64_t d = 0; d < dim; d++) sum += static_cast<double>(x[d]) * w[d];
  const double lengths = row_norm(x, dim) * row_norm(w, dim);
  return lengths < 1e-24 ? 0 : sum / lengths;
}

// Rows in which single precision may decide otherwise whether a negative is hard, filtered, or the nearest: their loss
// jumps there, so they are left out.
void ignore_near_ties(family_problem& problem, const cosface_margin_softmax_options& o) {
  constexpr double near = 2e-6;
  problem_data& data = problem.data;
  const int64_t k = o.sub_centers, dim = data.shape.dim;
  for (int64_t i = 0; i < data.shape.batch; i++) {
    if (data.labels[i] == o.ignore_label) continue;
    std::vector<double> nearest(data.shape.classes, -2);
    bool tie = false;
    for (int64_t row = 0; row < data.shape.classes * k; row++) {
      const double cosine = cosine_of(data.embedding(i), data.weight(row), dim);
      double& best = nearest[row / k];
      tie |= std::abs(cosine - best) < near;
      best = std::max(best, cosine);
    }
    const cosface_margin_softmax_problem view = problem.view();
    const double threshold = target_logit_of(nearest[data.labels[i]], margins_of(view, o, i), o).value;
    for (const double cosine : nearest) {
      tie |= o.negatives != COSFACE_NEGATIVES_PLAIN && std::abs(cosine - threshold) < near;
      tie |= std::abs(cosine - o.interclass_filter) < near;
    }
    if (tie && dim > 1) data.labels[i] = o.ignore_label;
  }
}

reference_results reference_of(const family_problem& problem, const cosface_margin_softmax_options& o) {
  return margin_softmax_reference(widen(problem.view(), o.sub_centers, o.form == COSFACE_FORM_BINARY), o);
}

// How large the gradients would be if nothing cancelled: see relative_error.h.
struct natural_lengths {
  double d_embeddings = 0, d_weights = 0, logits = 1;
};

natural_lengths natural_lengths_of(const family_problem& problem, const cosface_margin_softmax_options& o,
                                   const reference_results& expected) {
  const problem_data& data = problem.data;
  double longest = 0, shortest = INFINITY, largest_weight = 0;
  for (int64_t c = 0; c < data.shape.classes * o.sub_centers; c++) {
    const double norm = row_norm(&data.weights[c * data.shape.dim], data.shape.dim);
    largest_weight = std::max(largest_weight, norm);
    if (norm >= COSFACE_ZERO_NORM) shortest = std::min(shortest, norm);
  }
  natural_lengths natural;
  double rows = 0, squares = 0;
  for (int64_t i = 0; i < data.shape.batch; i++) {
    const double norm = row_norm(&data.embeddings[i * data.shape.dim], data.shape.dim);
    longest = std::max(longest, norm);
    if (norm < COSFACE_ZERO_NORM) continue;
    const double pull = o.scale * std::abs(expected.d_sample_weights[i]) + std::abs(expected.d_sample_m3[i]);
    rows += pull * (o.normalize_embeddings ? 1 : norm);
    squares += std::pow(pull / (o.normalize_embeddings ? norm : 1), 2);
  }
  natural.d_embeddings = std::sqrt(squares) * (o.normalize_weights ? 1 : largest_weight);
  natural.d_weights = rows / (o.normalize_weights && std::isfinite(shortest) ? shortest : 1);
  natural.logits = o.scale * (o.normalize_embeddings ? 1 : longest) * (o.normalize_weights ? 1 : largest_weight);
  return natural;
}

class family_group {
 public:
  explicit family_group(std::string name) : name_(std::move(name)) {}
  ~family_group() {
    std::printf("[ accuracy ] %-26s loss %.1e d_embeddings %.1e d_weights %.1e d_bias %.1e per sample %.1e\n",
                name_.c_str(), worst_[0], worst_[1], worst_[2], worst_[3], worst_[4]);
  }

  void check(const family_problem& problem, const cosface_margin_softmax_options& options) {
    const reference_results expected = reference_of(problem, options);
    const natural_lengths natural = natural_lengths_of(problem, options, expected);
    for (const cosface_isa isa : supported_isas())
      for (const int64_t budget : budgets) {
        cosface_margin_softmax_options here = options;
        here.isa = isa;
        here.workspace_bytes = budget;
        SCOPED_TRACE(testing::Message() << name_ << " " << cosface_isa_name(isa) << " " << problem.data.shape
                                        << " budget " << budget);
        cosface_release_workspace();
        const kernel_results got = run_kernel(problem.view(), here);
        ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
        expect(got, expected, natural);
        const kernel_results loss_only = run_kernel(problem.view(), here, false);
        ASSERT_EQ(loss_only.status, COSFACE_OK) << loss_only.error.message;
        EXPECT_LE(relative_error(loss_only.loss, expected.loss, 0), loss_tolerance(natural.logits)) << "loss alone";
      }
  }

 private:
  void expect(const kernel_results& got, const reference_results& expected, const natural_lengths& natural) {
    const double beyond = scale_beyond_64(natural.logits), per_sample = 1e-12 * natural.logits;
    const double errors[] = {relative_error(got.loss, expected.loss, per_sample),
                             relative_error(got.d_embeddings, expected.d_embeddings, natural.d_embeddings),
                             relative_error(got.d_weights, expected.d_weights, natural.d_weights),
                             got.d_bias.empty() ? 0 : relative_error(got.d_bias, expected.d_bias, natural.d_weights),
                             std::max({relative_error(got.d_sample_weights, expected.d_sample_weights, per_sample),
                                       relative_error(got.d_sample_m1, expected.d_sample_m1, 1),
                                       relative_error(got.d_sample_m2, expected.d_sample_m2, 1),
                                       relative_error(got.d_sample_m3, expected.d_sample_m3, 1)})};
    for (int k = 0; k < 5; k++) {
      EXPECT_LE(errors[k], (k == 0 ? loss_tolerance(1) : gradient_tolerance(1)) * beyond) << k;
      worst_[k] = std::max(worst_[k], errors[k] / beyond);
    }
    EXPECT_LE(std::abs(got.reduced_loss - expected.reduced_loss),
              loss_tolerance(1) * beyond * std::abs(expected.reduced_loss) + 1e-12 * beyond);
    EXPECT_EQ(got.counted, expected.counted);
    for (size_t i = 0; i < expected.target_cosine.size(); i++)
      EXPECT_NEAR(got.target_cosine[i], expected.target_cosine[i], 1e-6);
  }

  std::string name_;
  double worst_[5] = {};
};

TEST(family_accuracy, ragged_shapes) {
  const std::vector<problem_shape> shapes = {{1, 1, 1},    {3, 2, 1},     {2, 3, 2},    {7, 9, 15},
                                             {17, 16, 33}, {33, 127, 64}, {9, 500, 48}, {65, 60, 129}};
  for (const family_member& member : loss_family()) {
    family_group group(member.name);
    uint64_t seed = 100;
    for (const problem_shape& shape : shapes) {
      family_problem problem = problem_of(member, shape, seed++);
      ignore_near_ties(problem, member.options);
      group.check(problem, member.options);
    }
  }
}

TEST(family_accuracy, hard_inputs) {
  for (family_member member : loss_family()) {
    family_group group(member.name);
    member.options.reduction = COSFACE_REDUCTION_NONE;
    member.options.ignore_label = 3;
    family_problem problem = problem_of(member, {40, 70, 32}, 7);
    problem_data& data = problem.data;
    const int64_t k = member.options.sub_centers;
    add_sample_weights(data, 8);
    add_loss_gradient(data, 9);
    std::fill_n(data.embedding(0), 32, 0.0f);
    std::fill_n(data.weight(5 * k), 32, 0.0f);
    data.labels[1] = 5;
    for (const int64_t i : {2, 3, 4, 5})  // cos = 1 and -1, the wrong class's too
      for (int64_t d = 0; d < 32; d++)
        data.embedding(i)[d] = (i % 2 ? -1.0f : 1.0f) * data.weight((i < 4 ? data.labels[i] : 6) * k)[d];
    for (int64_t i = 6; i < 12; i++)  // confident
      for (int64_t d = 0; d < 32; d++) data.embedding(i)[d] += 8 * data.weight(data.labels[i] * k)[d];
    ignore_near_ties(problem, member.options);
    group.check(problem, member.options);
  }
}

// Logits that no fixed shift serves: rows that are long, or scales that are.
TEST(family_accuracy, large_logits) {
  for (family_member member : loss_family()) {
    family_group group(member.name);
    const bool unit_rows = member.options.normalize_embeddings;
    if (unit_rows) member.options.scale *= 4;
    family_problem problem = problem_of(member, {30, 50, 24}, 11);
    for (int64_t i = 0; !unit_rows && i < 30; i++) scale_row(problem.data.embedding(i), 24, i % 2 ? 400 : 2);
    ignore_near_ties(problem, member.options);
    group.check(problem, member.options);
  }
}

TEST(family_accuracy, no_samples_and_one_class) {
  for (const family_member& member : loss_family())
    for (const cosface_isa isa : supported_isas()) {
      cosface_margin_softmax_options options = member.options;
      options.isa = isa;
      const family_problem none = problem_of(member, {0, 5, 7}, 1);
      const kernel_results got = run_kernel(none.view(), options);
      ASSERT_EQ(got.status, COSFACE_OK) << member.name << got.error.message;
      EXPECT_EQ(got.reduced_loss, 0) << member.name;
      for (const float g : got.d_weights) EXPECT_EQ(g, 0) << member.name;
      for (const float g : got.d_bias) EXPECT_EQ(g, 0) << member.name;
      if (options.form == COSFACE_FORM_BINARY) continue;
      const kernel_results one = run_kernel(problem_of(member, {9, 1, 17}, 2).view(), options);
      ASSERT_EQ(one.status, COSFACE_OK) << member.name << one.error.message;
      for (const float loss : one.loss) EXPECT_LE(std::abs(loss), 1e-12) << member.name;
    }
}

TEST(family_accuracy, the_same_bits_on_any_number_of_threads) {
  for (const family_member& member : loss_family())
    for (const cosface_isa isa : supported_isas())
      for (const int64_t budget : budgets) {
        cosface_margin_softmax_options options = member.options;
        options.isa = isa;
        options.workspace_bytes = budget;
        options.threads = 1;
        family_problem problem = problem_of(member, {48, 300, 32}, 17);
        add_sample_weights(problem.data, 18);
        const kernel_results one = run_kernel(problem.view(), options);
        ASSERT_EQ(one.status, COSFACE_OK) << one.error.message;
        for (const int32_t threads : {2, 3, 8}) {
          options.threads = threads;
          EXPECT_EQ(first_difference(one, run_kernel(problem.view(), options)), "")
              << member.name << " " << cosface_isa_name(isa) << " threads " << threads << " budget " << budget;
        }
      }
}

double distance(const std::vector<float>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t k = 0; k < b.size(); k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(sum);
}

double length_of(const std::vector<double>& a) { return distance(std::vector<float>(a.size()), a); }

// bf16 rounds each operand to 2^-9 and cosines to about 1e-3 at D = 64: what that does to logits is a percent.
TEST(family_accuracy, bf16) {
  for (const family_member& member : loss_family())
    for (const cosface_isa isa : supported_isas())
      for (const auto precision : {COSFACE_PRECISION_BF16_GRADIENTS, COSFACE_PRECISION_BF16}) {
        cosface_margin_softmax_options options = member.options;
        options.isa = isa;
        options.precision = precision;
        family_problem problem = problem_of(member, {24, 160, 64}, 19);
        ignore_near_ties(problem, options);
        const reference_results expected = reference_of(problem, options);
        const kernel_results got = run_kernel(problem.view(), options);
        SCOPED_TRACE(testing::Message() << member.name << " " << cosface_isa_name(isa) << " " << precision);
        ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
        const bool exact_loss = precision == COSFACE_PRECISION_BF16_GRADIENTS;
        EXPECT_LE(distance(got.loss, expected.loss), (exact_loss ? 4e-6 : 0.03) * length_of(expected.loss));
        const double tolerance = exact_loss ? 0.01 : 0.1;
        EXPECT_LE(distance(got.d_embeddings, expected.d_embeddings), tolerance * length_of(expected.d_embeddings));
        EXPECT_LE(distance(got.d_weights, expected.d_weights), tolerance * length_of(expected.d_weights));
        if (got.d_bias.empty()) continue;
        EXPECT_LE(distance(got.d_bias, expected.d_bias), tolerance * length_of(expected.d_bias));
      }
}

// The loss is exact, and what the gradients lose is bounded by the tolerance times the curve's slope.
TEST(family_accuracy, gradient_filter) {
  for (const family_member& member : loss_family())
    for (const cosface_isa isa : supported_isas()) {
      cosface_margin_softmax_options options = member.options;
      if (options.form == COSFACE_FORM_BINARY) continue;
      options.isa = isa;
      options.reduction = COSFACE_REDUCTION_SUM;
      family_problem problem = problem_of(member, {64, 900, 32}, 23);
      const kernel_results whole = run_kernel(problem.view(), options);
      options.gradient_tolerance = 1e-2;
      const kernel_results some = run_kernel(problem.view(), options);
      SCOPED_TRACE(testing::Message() << member.name << " " << cosface_isa_name(isa));
      ASSERT_EQ(some.status, COSFACE_OK) << some.error.message;
      for (int64_t i = 0; i < 64; i++) EXPECT_NEAR(some.loss[i], whole.loss[i], 2e-6 * std::abs(whole.loss[i]));
      for (int64_t i = 0; i < 64; i++) {
        double lost = 0;
        for (int64_t d = 0; d < 32; d++) {
          const double e = some.d_embeddings[i * 32 + d] - whole.d_embeddings[i * 32 + d];
          lost += e * e;
        }
        const double norm = options.normalize_embeddings ? row_norm(problem.data.embedding(i), 32) : 1;
        const double slope = 2.5 * (options.normalize_weights ? 1 : 1.5);
        EXPECT_LE(std::sqrt(lost), 1.01e-2 * options.scale * slope / norm + 1e-5) << "row " << i;
      }
    }
}

}  // namespace
}  // namespace cosface::test
