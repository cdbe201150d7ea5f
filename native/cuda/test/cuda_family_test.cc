// Every loss of the family on the device against the double reference: values, and derivatives by all that has one.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "cosface/cuda.h"
#include "cuda_call.h"
#include "reference/negative_logit.h"
#include "test/loss_family.h"
#include "test/relative_error.h"

namespace cosface::cuda::test {
namespace {

using namespace cosface::test;

struct family_errors {
  double loss = 0, d_embeddings = 0, d_weights = 0, d_bias = 0, by_sample = 0;

  double& by(const std::string& what) {
    return what == "loss"           ? loss
           : what == "d_embeddings" ? d_embeddings
           : what == "d_weights"    ? d_weights
           : what == "d_bias"       ? d_bias
                                    : by_sample;
  }
};

struct family_tolerances {
  double loss = 2e-6, gradients = 1e-5;
};
// Of half operands.
constexpr family_tolerances half_tolerances{1e-3, 5e-3};

// An error in a score reaches the logit multiplied by s and by the lengths that are kept.
double beyond_64(const family_problem& problem, const cosface_margin_softmax_options& o) {
  double longest = 0;
  for (int64_t i = 0; !o.normalize_embeddings && i < problem.data.shape.batch; i++)
    longest = std::max(longest, row_norm(&problem.data.embeddings[i * problem.data.shape.dim], problem.data.shape.dim));
  return scale_beyond_64(o.scale * std::max(1.0, longest));
}

device_call call_of(const family_problem& problem, const cosface_margin_softmax_options& options) {
  device_call call{problem.data, options};
  for (int k = 0; k < 3; k++) call.own_margins[k] = problem.own[k];
  return call;
}

class family_group {
 public:
  explicit family_group(std::string name, family_tolerances tolerances = {})
      : name_(std::move(name)), tolerances_(tolerances) {}
  ~family_group() {
    std::printf("[ accuracy ] %-28s loss %.1e d_embeddings %.1e d_weights %.1e d_bias %.1e per sample %.1e\n",
                name_.c_str(), worst_.loss, worst_.d_embeddings, worst_.d_weights, worst_.d_bias, worst_.by_sample);
  }

  void check(const family_problem& problem, const cosface_margin_softmax_options& options) {
    check(problem, call_of(problem, options));
  }

  void check(const family_problem& problem, const device_call& call) {
    const cosface_margin_softmax_options& o = call.options;
    const reference_results expected =
        margin_softmax_reference(widen(problem.view(), o.sub_centers, o.form == COSFACE_FORM_BINARY), o);
    const kernel_results got = run_on_device(call);
    SCOPED_TRACE(testing::Message() << name_ << " " << problem.data.shape << " budget=" << o.workspace_bytes);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    EXPECT_EQ(got.counted, expected.counted);
    const double beyond = beyond_64(problem, o);
    const auto hold = [&](const char* what, const std::vector<float>& values, const std::vector<double>& wanted,
                          double tolerance) {
      const double error = relative_error(values, wanted, o.scale) / beyond;
      EXPECT_LE(error, tolerance) << what;
      worst_.by(what) = std::max(worst_.by(what), error);
    };
    hold("loss", got.loss, expected.loss, tolerances_.loss);
    EXPECT_NEAR(got.reduced_loss, expected.reduced_loss, tolerances_.loss * beyond * sum_of_losses(expected, o));
    hold("d_sample_weights", got.d_sample_weights, expected.d_sample_weights, tolerances_.loss);
    hold("d_sample_m1", got.d_sample_m1, expected.d_sample_m1, tolerances_.gradients);
    hold("d_sample_m2", got.d_sample_m2, expected.d_sample_m2, tolerances_.gradients);
    hold("d_sample_m3", got.d_sample_m3, expected.d_sample_m3, tolerances_.gradients);
    for (size_t i = 0; i < expected.target_cosine.size(); i++)
      EXPECT_NEAR(got.target_cosine[i], expected.target_cosine[i], 1e-6);
    if (!call.gradients) return;
    hold("d_embeddings", got.d_embeddings, expected.d_embeddings, tolerances_.gradients);
    hold("d_weights", got.d_weights, expected.d_weights, tolerances_.gradients);
    if (!problem.data.bias.empty()) hold("d_bias", got.d_bias, expected.d_bias, tolerances_.gradients);
    if (tolerances_.loss > 1e-5) return;
    for (size_t i = 0; i < expected.prediction.size(); i++) EXPECT_EQ(got.prediction[i], expected.prediction[i]) << i;
  }

 private:
  static double sum_of_losses(const reference_results& expected, const cosface_margin_softmax_options& o) {
    double sum = 0;
    for (const double loss : expected.loss) sum += std::abs(loss);
    return o.reduction == COSFACE_REDUCTION_MEAN && expected.counted > 0 ? sum / double(expected.counted) : sum;
  }

  std::string name_;
  family_tolerances tolerances_;
  family_errors worst_;
};

// Ignored samples, weights of 0 and below.
family_problem hard_problem(const family_member& member, const problem_shape& shape, uint64_t seed) {
  family_problem problem = problem_of(member, shape, seed);
  add_sample_weights(problem.data, seed + 1);
  add_ignored_labels(problem.data, member.options.ignore_label, seed + 2);
  return problem;
}

const family_member& member_named(const std::string& name) {
  static const std::vector<family_member> family = loss_family();
  return *std::find_if(family.begin(), family.end(), [&](const family_member& m) { return m.name == name; });
}

TEST(cuda_family, every_loss) {
  for (family_member member : loss_family()) {
    family_group group(member.name);
    uint64_t seed = 6000;
    for (const problem_shape& shape : std::vector<problem_shape>{{9, 140, 20}, {130, 7, 66}}) {
      family_problem problem = hard_problem(member, shape, seed++);
      if (shape.classes == 7) {
        member.options.reduction = COSFACE_REDUCTION_NONE;
        add_loss_gradient(problem.data, seed);
      }
      group.check(problem, member.options);
    }
  }
}

// Chunks that are kept and chunks that are formed again; parts of dx; loss alone, which holds one chunk.
TEST(cuda_family, every_budget) {
  for (const char* name : {"softmax, bias, smoothed", "cos_face, smoothed", "mv_softmax, am", "cos_face, filtered",
                           "sub_center, bias", "sphere_face2"}) {
    const family_member& member = member_named(name);
    family_group group(std::string("budgets, ") + name);
    const family_problem problem = hard_problem(member, {11, 300, 18}, 6100);
    for (const bool gradients : {true, false}) {
      device_call call = call_of(problem, member.options);
      call.options.workspace_bytes = 1;
      call.gradients = gradients;
      group.check(problem, call);
      EXPECT_GT(plan_of(call).chunks, 1);
    }
    device_call call = call_of(problem, member.options);
    call.multiprocessors = 60;
    group.check(problem, call);
    EXPECT_GT(plan_of(call).parts, 1);
  }
}

// One class, one sample, one feature; rows of zeros; rows along and against their centre.
TEST(cuda_family, edges) {
  for (const family_member& member : loss_family()) {
    family_group group("edges, " + member.name);
    group.check(problem_of(member, {4, 1, 3}, 6200), member.options);
    group.check(problem_of(member, {1, 3, 1}, 6201), member.options);
    family_problem problem = problem_of(member, {7, 6, 8}, 6202);
    problem_data& data = problem.data;
    const int64_t centers = member.options.sub_centers;
    std::fill_n(data.embedding(0), 8, 0.0f);
    std::fill_n(data.weight(2 * centers), 8, 0.0f);
    data.labels[1] = 2;
    for (const int64_t i : {2, 3})
      for (int64_t d = 0; d < 8; d++)
        data.embedding(i)[d] = (i == 2 ? 2.0f : -2.0f) * data.weight(data.labels[i] * centers)[d];
    group.check(problem, member.options);
  }
}

TEST(cuda_family, large_scales_and_lengths) {
  for (family_member member : loss_family()) {
    family_group group("large, " + member.name);
    const bool lengths = !member.options.normalize_embeddings;
    member.options.scale *= lengths ? 1 : 12;
    family_problem problem = problem_of(member, {20, 30, 12}, 6300);
    if (lengths)
      for (float& x : problem.data.embeddings) x *= 20;
    group.check(problem, member.options);
  }
}

// What is summed cancels: all rows nearly alike, or along one direction.
TEST(cuda_family, collapsed_rows) {
  for (const char* name : {"softmax, bias, smoothed", "a_softmax", "free centres", "mv_softmax, arc", "sub_center",
                           "circle, exact", "sphere_face2", "cos_face, smoothed"}) {
    const family_member& member = member_named(name);
    family_group group(std::string("collapsed, ") + name);
    family_problem problem = problem_of(member, {12, 9, 6}, 6400);
    seeded_random random(10);
    const std::vector<float> direction = normal_matrix(random, 6);
    const float more = member.options.normalize_weights ? 100 : 5;
    for (size_t k = 0; k < problem.data.embeddings.size(); k++)
      if (member.options.normalize_embeddings) problem.data.embeddings[k] += 100 * direction[k % 6];
    for (size_t k = 0; k < problem.data.weights.size(); k++) problem.data.weights[k] += more * direction[k % 6];
    group.check(problem, member.options);
  }
}

// More rows a class than a tile has; chunks hold whole classes.
TEST(cuda_family, many_sub_centers) {
  family_member member = member_named("sub_center, bias");
  family_group group("K = 130, 300");
  for (const int64_t centers : {130, 300})
    for (const int64_t budget : {0, 1}) {
      member.options.sub_centers = centers;
      member.options.workspace_bytes = budget;
      group.check(problem_of(member, {5, 3, 4}, 6500), member.options);
    }
}

// What leaves the other classes' scores as they are stays on the tensor cores; the rest takes the general path.
TEST(cuda_family, with_half_operands) {
  for (family_member member : loss_family()) {
    member.options.precision = COSFACE_PRECISION_BF16;
    const family_problem problem = hard_problem(member, {70, 150, 64}, 6600);
    const device_call call = call_of(problem, member.options);
    const bool halves = plan_of(call).tile != nullptr;
    EXPECT_EQ(halves, has_plain_negatives(member.options) && !filters_classes(member.options) &&
                          member.options.normalize_embeddings && member.options.normalize_weights && !member.bias &&
                          member.options.sub_centers == 1);
    if (!halves) continue;
    family_group group("half, " + member.name, half_tolerances);
    group.check(problem, call);
  }
}

TEST(cuda_family, class_subset_with_sub_centers_and_bias) {
  const std::vector<int32_t> ids = {0, 3, 4, 9, 60};
  const family_member& member = member_named("sub_center, bias");
  const int64_t classes = static_cast<int64_t>(ids.size()), dim = 20, length = 2 * dim;
  const family_problem whole = problem_of(member, {25, 61, dim}, 6700);
  family_problem dense = problem_of(member, {25, classes, dim}, 6701);
  for (int64_t c = 0; c < classes; c++)
    std::copy_n(&whole.data.weights[ids[c] * length], length, &dense.data.weights[c * length]);
  const device_call of_dense = call_of(dense, member.options);
  device_call of_subset = of_dense;
  of_subset.data.weights = whole.data.weights;
  of_subset.class_ids = &ids;
  const kernel_results expected = run_on_device(of_dense), got = run_on_device(of_subset);
  ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
  EXPECT_EQ(first_difference(expected, got), "");
  of_subset.data.weights[60 * length + dim + 3] = NAN;
  EXPECT_EQ(run_on_device(of_subset).error.index, 60 * length + dim + 3);
}

TEST(cuda_family, same_bits_whatever_the_schedule) {
  for (const char* name : {"softmax, bias, smoothed", "sub_center, bias", "sphere_face2"}) {
    const family_member& member = member_named(name);
    device_call call = call_of(hard_problem(member, {33, 140, 20}, 6800), member.options);
    call.options.workspace_bytes = 1;
    setenv("COSFACE_EMULATOR_SCHEDULE", "forward", 1);
    const kernel_results expected = run_on_device(call);
    ASSERT_EQ(expected.status, COSFACE_OK) << expected.error.message;
    for (const char* schedule : {"forward", "reverse", "random:1"}) {
      setenv("COSFACE_EMULATOR_SCHEDULE", schedule, 1);
      EXPECT_EQ(first_difference(expected, run_on_device(call)), "") << name << " " << schedule;
    }
  }
}

TEST(cuda_family, no_samples) {
  const family_member& member = member_named("softmax, bias, smoothed");
  const kernel_results got = run_on_device(call_of(problem_of(member, {0, 5, 7}, 1), member.options));
  ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
  for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  for (const float g : got.d_bias) EXPECT_EQ(g, 0);
}

TEST(cuda_family, bad_values_are_named) {
  const family_member& member = member_named("sub_center, bias");
  device_call call = call_of(problem_of(member, {6, 140, 4}, 6900), member.options);
  call.own_margins[COSFACE_MARGIN_M1 - 1].assign(6, 1);
  call.own_margins[COSFACE_MARGIN_M2 - 1] = {0, 0, 0, 0, 4, 5};
  const kernel_results margin = run_on_device(call);
  EXPECT_EQ(margin.status, COSFACE_ERROR_MARGIN_RANGE);
  EXPECT_EQ(margin.error.index, 4);
  EXPECT_NE(std::string(margin.error.message).find("replaces m2"), std::string::npos) << margin.error.message;
  call.own_margins[COSFACE_MARGIN_M2 - 1].clear();
  call.data.bias[137] = INFINITY;
  const kernel_results bias = run_on_device(call);
  EXPECT_EQ(bias.status, COSFACE_ERROR_NOT_FINITE);
  EXPECT_STREQ(bias.error.argument, "bias");
  EXPECT_EQ(bias.error.index, 137);
}

// Through the table of the library, from and to arrays of the host.
kernel_results run_by_library(const device_call& call, const cosface_margin_softmax_problem& problem) {
  kernel_results out = empty_results(call);
  cosface_margin_softmax_results results = pointers_to(out);
  cosface_cuda_call whole{};
  whole.problem = &problem;
  whole.options = &call.options;
  whole.results = &results;
  out.status = cosface_cuda_library_v1()->margin_softmax(0, &whole, &out.error);
  out.reduced_loss = results.reduced_loss;
  out.counted = results.counted;
  return out;
}

TEST(cuda_family, host_arrays) {
  for (const char* name : {"sub_center, bias", "sphere_face2"}) {
    family_member member = member_named(name);
    member.own_margins = {COSFACE_MARGIN_M1, COSFACE_MARGIN_M2, COSFACE_MARGIN_M3};
    const family_problem problem = hard_problem(member, {12, 9, 6}, 7000);
    device_call call = call_of(problem, member.options);
    call.multiprocessors = shared_device().get().properties().multiprocessors;
    const kernel_results expected = run_on_device(call), got = run_by_library(call, problem.view());
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    EXPECT_EQ(first_difference(expected, got), "");
  }
}

TEST(cuda_family, what_cannot_be_combined_is_refused) {
  for (const bool smoothed : {true, false}) {
    family_member member = member_named("circle");
    member.bias = !smoothed;
    member.options.label_smoothing = smoothed ? 0.1 : 0;
    const family_problem problem = problem_of(member, {2, 3, 4}, 7100);
    const kernel_results got = run_by_library(call_of(problem, member.options), problem.view());
    EXPECT_EQ(got.status, COSFACE_ERROR_UNSUPPORTED);
    EXPECT_STREQ(got.error.argument, smoothed ? "labelSmoothing" : "bias");
  }
}

}  // namespace
}  // namespace cosface::cuda::test
