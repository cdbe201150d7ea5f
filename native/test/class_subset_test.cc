// Class sampling: the softmax over a part of the classes, against the reference and against the same rows as a problem
// of their own.
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "accuracy_check.h"
#include "problem_family.h"

namespace cosface::test {
namespace {

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

std::vector<int32_t> all_ids(int64_t classes) {
  std::vector<int32_t> ids(classes);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// Ids with about `rate` of the classes and those of all labels.
std::vector<int32_t> sampled_ids(const problem_data& data, double rate, int32_t ignore_label, uint64_t seed) {
  seeded_random random(seed);
  std::vector<bool> taken(data.shape.classes);
  for (const int32_t y : data.labels)
    if (y != ignore_label) taken[y] = true;
  std::vector<int32_t> ids;
  for (int32_t c = 0; c < data.shape.classes; c++)
    if (taken[c] || random.uniform() < rate) ids.push_back(c);
  if (ids.empty()) ids.push_back(static_cast<int32_t>(random.below(data.shape.classes)));
  return ids;
}

// What no call may read: rows that do not take part.
void spoil_other_rows(problem_data& data) {
  const std::vector<int32_t>& ids = data.class_ids;
  for (int32_t c = 0; c < data.shape.classes; c++)
    if (!std::binary_search(ids.begin(), ids.end(), c)) std::fill_n(data.weight(c), data.shape.dim, nan_value);
}

// The sampled rows as a problem of their own.
problem_data gathered(const problem_data& data) {
  problem_data part = data;
  part.class_ids.clear();
  part.shape.classes = static_cast<int64_t>(data.class_ids.size());
  part.weights.clear();
  for (const int32_t c : data.class_ids)
    part.weights.insert(part.weights.end(), &data.weights[c * data.shape.dim], &data.weights[(c + 1) * data.shape.dim]);
  for (int32_t& y : part.labels)
    if (y >= 0)
      y = static_cast<int32_t>(std::lower_bound(data.class_ids.begin(), data.class_ids.end(), y) -
                               data.class_ids.begin());
  return part;
}

void check_against_reference(problem_data data, const cosface_margin_softmax_options& options) {
  const reference_results expected = margin_softmax_reference(widen(data.view()), options);
  problem_data part = gathered(data);
  const natural_sizes natural = natural_sizes_of(part, options, expected);
  const std::vector<bool> clear = clear_winners(part, accuracy_tolerances{}.near_tie);
  spoil_other_rows(data);
  for (const cosface_isa isa : supported_isas()) {
    SCOPED_TRACE(testing::Message() << cosface_isa_name(isa) << " " << data.shape << " S=" << data.class_ids.size());
    cosface_margin_softmax_options here = options;
    here.isa = isa;
    const kernel_results got = run_kernel(data, here);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    accuracy_errors worst;
    expect_accurate(got, expected, natural, options.scale, {}, worst);
    expect_predictions(got, expected, clear);
  }
}

TEST(class_subset, ragged_shapes_against_the_reference) {
  uint64_t seed = 1;
  for (const double rate : {0.0, 0.1, 0.5, 1.0})
    for (const problem_shape& shape : ragged_shapes(3)) {
      if (++seed % 3 != 0) continue;
      problem_data data = random_problem(shape, seed);
      data.class_ids = rate == 1 ? all_ids(shape.classes) : sampled_ids(data, rate, -1, seed + 7);
      check_against_reference(data, cos_face_options());
    }
}

// An ignored label that is a class too, weights, margins and an upstream gradient.
TEST(class_subset, everything_on) {
  uint64_t seed = 100;
  for (const problem_shape& shape : ragged_shapes(5)) {
    if (++seed % 4 != 0) continue;
    auto [data, options] = problem_with_everything_on(shape, seed);
    data.class_ids = sampled_ids(data, 0.3, options.ignore_label, seed + 7);
    check_against_reference(data, options);
  }
}

TEST(class_subset, every_kind_of_plan) {
  for (const int64_t budget : {int64_t{0}, int64_t{200} << 10, int64_t{1} << 20, int64_t{64} << 20})
    for (const double scale : {16.0, 160.0}) {
      problem_data data = random_problem({200, 1500, 48}, 5);
      data.class_ids = sampled_ids(data, 0.4, -1, 6);
      cosface_margin_softmax_options options = cos_face_options();
      options.workspace_bytes = budget;
      options.scale = scale;
      options.threads = 3;
      check_against_reference(data, options);
    }
}

// bf16 and the filter make errors of their own; the subset must add none to those of the same rows side by side. With
// this D every plan packs w, so the arithmetic is the same.
TEST(class_subset, the_bits_of_the_rows_side_by_side) {
  for (const cosface_isa isa : supported_isas())
    for (const cosface_precision precision :
         {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16_GRADIENTS, COSFACE_PRECISION_BF16})
      for (const double tolerance : {0.0, 1e-3})
        for (const int64_t budget : {int64_t{0}, int64_t{64} << 20}) {
          problem_data data = random_problem({90, 900, 33}, 9);
          data.class_ids = sampled_ids(data, 0.3, -1, 10);
          cosface_margin_softmax_options options = cos_face_options();
          options.isa = isa;
          options.precision = precision;
          options.gradient_tolerance = tolerance;
          options.workspace_bytes = budget;
          kernel_results expected = run_kernel(gathered(data), options);
          for (int32_t& c : expected.prediction) c = data.class_ids[c];
          spoil_other_rows(data);
          for (const int32_t threads : {1, 3}) {
            options.threads = threads;
            EXPECT_EQ(first_difference(run_kernel(data, options), expected), "")
                << cosface_isa_name(isa) << " precision " << precision << " threads " << threads;
          }
        }
}

// Where w is packed either way, all classes as ids are the full loss to the last bit.
TEST(class_subset, all_classes_are_the_full_loss) {
  for (const cosface_isa isa : supported_isas()) {
    problem_data data = random_problem({65, 700, 33}, 11);
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    const kernel_results full = run_kernel(data, options);
    data.class_ids = all_ids(data.shape.classes);
    EXPECT_EQ(first_difference(run_kernel(data, options), full), "") << cosface_isa_name(isa);
  }
}

TEST(class_subset, one_class_of_many_is_certain) {
  problem_data data = random_problem({17, 50, 8}, 12);
  std::fill(data.labels.begin(), data.labels.end(), 31);
  data.class_ids = {31};
  spoil_other_rows(data);
  const kernel_results got = run_kernel(data, cos_face_options());
  ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
  for (const float loss : got.loss) EXPECT_EQ(loss, 0);
  for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  for (const int32_t p : got.prediction) EXPECT_EQ(p, 31);
}

TEST(class_subset, no_samples_give_a_gradient_of_zeros) {
  problem_data data = random_problem({0, 50, 8}, 13);
  data.class_ids = {3, 31};
  const kernel_results got = run_kernel(data, cos_face_options());
  ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
  EXPECT_EQ(got.d_weights, std::vector<float>(16, 0.0f));
}

struct fault {
  std::string name;
  std::vector<int32_t> ids;
  int64_t count;
  cosface_status status;
  std::string argument;
  int64_t index;
  std::vector<std::string> words;
};

TEST(class_subset, errors) {
  const fault faults[] = {
      {"none", {1}, 0, COSFACE_ERROR_SHAPE, "classIds", -1, {"classIds (S) is 0", "[1, 6]"}},
      {"too many", {1}, 7, COSFACE_ERROR_SHAPE, "classIds", -1, {"is 7", "[1, 6]"}},
      {"falling", {0, 2, 1}, 3, COSFACE_ERROR_OPTION, "classIds", 2, {"classIds[2] is 1", "[0, 6)", "Sort"}},
      {"twice", {0, 2, 2}, 3, COSFACE_ERROR_OPTION, "classIds", 2, {"classIds[2] is 2", "doubles"}},
      {"negative", {-1, 2}, 2, COSFACE_ERROR_OPTION, "classIds", 0, {"classIds[0] is -1"}},
      {"too high", {0, 6}, 2, COSFACE_ERROR_OPTION, "classIds", 1, {"classIds[1] is 6", "[0, 6)"}},
      {"label missing", {0, 1, 5}, 3, COSFACE_ERROR_LABEL_RANGE, "labels", 1, {"labels[1] is 2", "sampleClasses()"}},
  };
  for (const fault& f : faults) {
    problem_data data = random_problem({3, 6, 4}, 14);
    data.labels = {0, 2, 1};
    data.class_ids = f.ids;
    cosface_margin_softmax_problem problem = data.view();
    problem.class_count = f.count;
    const kernel_results got = run_kernel(problem, cos_face_options());
    EXPECT_EQ(got.status, f.status) << f.name;
    EXPECT_STREQ(got.error.argument, f.argument.c_str()) << f.name;
    EXPECT_EQ(got.error.index, f.index) << f.name;
    for (const std::string& words : f.words)
      EXPECT_NE(std::string(got.error.message).find(words), std::string::npos) << f.name << ": " << got.error.message;
  }
}

TEST(class_subset, neither_sub_centres_nor_a_bias_of_each_class) {
  problem_data data = random_problem({3, 6, 4}, 14);
  data.labels = {0, 2, 1};
  data.class_ids = {0, 1, 2};
  data.bias.assign(6, 0.5f);
  const kernel_results biased = run_kernel(data, cos_face_options());
  EXPECT_EQ(biased.status, COSFACE_ERROR_UNSUPPORTED);
  EXPECT_STREQ(biased.error.argument, "classIds");
  EXPECT_NE(std::string(biased.error.message).find("cannot be combined with bias"), std::string::npos);
  data.bias.clear();
  data.weights.resize(2 * data.weights.size(), 1.0f);
  cosface_margin_softmax_options options = cos_face_options();
  options.sub_centers = 2;
  const kernel_results several = run_kernel(data, options);
  EXPECT_EQ(several.status, COSFACE_ERROR_UNSUPPORTED);
  EXPECT_NE(std::string(several.error.message).find("cannot be combined with subCenters"), std::string::npos);
}

TEST(class_subset, a_bad_row_is_named_by_its_class) {
  problem_data data = random_problem({3, 6, 4}, 15);
  data.labels = {5, 2, 5};
  data.class_ids = {2, 5};
  data.weight(5)[1] = nan_value;
  const kernel_results got = run_kernel(data, cos_face_options());
  EXPECT_EQ(got.status, COSFACE_ERROR_NOT_FINITE);
  EXPECT_STREQ(got.error.argument, "weights");
  EXPECT_EQ(got.error.index, 21);
}

TEST(class_subset, workspace_stays_within_the_budget) {
  problem_data data = random_problem({1, 1, 1}, 16);
  cosface_margin_softmax_problem problem = data.view();
  problem.batch = 512;
  problem.dim = 512;
  problem.classes = 10'000'000;
  problem.class_count = 1'000'000;
  problem.class_ids = data.labels.data();  // planning reads none of them
  cosface_margin_softmax_plan plan{};
  cosface_error error{};
  const cosface_margin_softmax_options options = cos_face_options();
  ASSERT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, &error), COSFACE_OK) << error.message;
  EXPECT_LE(plan.workspace_bytes, options.workspace_bytes);
  EXPECT_EQ(plan.pack_weights, 1);
}

}  // namespace
}  // namespace cosface::test
