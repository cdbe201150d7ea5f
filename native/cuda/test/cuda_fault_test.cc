// Values that the device finds wrong: status, argument, index and words are those of the CPU.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "cuda_call.h"

namespace cosface::cuda::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();

struct fault {
  const char* argument;
  cosface_status status;
  int64_t index;
  std::function<void(problem_data&, cosface_margin_softmax_options&)> plant;
};

// The first of several, far from the first row, and in the last element.
std::vector<fault> faults() {
  const auto all = [](std::vector<float>& values, float value) { values.assign(40, value); };
  return {
      {"labels", COSFACE_ERROR_LABEL_RANGE, 7, [](problem_data& d, auto&) { d.labels[7] = 300, d.labels[30] = -2; }},
      {"embeddings", COSFACE_ERROR_NOT_FINITE, 11 * 20 + 19,
       [](problem_data& d, auto&) { d.embedding(11)[19] = nan, d.embedding(39)[0] = infinity; }},
      {"weights", COSFACE_ERROR_NOT_FINITE, 299 * 20, [](problem_data& d, auto&) { d.weight(299)[0] = -infinity; }},
      {"sampleWeights", COSFACE_ERROR_NOT_FINITE, 39,
       [=](problem_data& d, auto&) { all(d.sample_weights, 1), d.sample_weights[39] = nan; }},
      {"lossGradient", COSFACE_ERROR_NOT_FINITE, 0,
       [=](problem_data& d, cosface_margin_softmax_options& o) {
         o.reduction = COSFACE_REDUCTION_NONE;
         all(d.loss_gradient, nan);
       }},
      {"sampleMargins", COSFACE_ERROR_MARGIN_RANGE, 5,
       [=](problem_data& d, auto&) {
         d.sample_margin_term = COSFACE_MARGIN_M1;
         all(d.sample_margins, 1), d.sample_margins[5] = 0, d.sample_margins[6] = 17;
       }},
      {"sampleMargins", COSFACE_ERROR_MARGIN_RANGE, 3,
       [=](problem_data& d, auto&) {
         d.sample_margin_term = COSFACE_MARGIN_M2;
         all(d.sample_margins, -3), d.sample_margins[3] = 3.2f;
       }},
      {"sampleMargins", COSFACE_ERROR_MARGIN_RANGE, 0,
       [=](problem_data& d, auto&) {
         d.sample_margin_term = COSFACE_MARGIN_M3;
         all(d.sample_margins, nan);
       }},
  };
}

TEST(cuda_fault, names_what_the_cpu_names) {
  for (const fault& planted : faults())
    for (const bool gradients : {false, true}) {
      device_call call{cosface::test::random_problem({40, 300, 20}, 1), cosface::test::cos_face_options()};
      planted.plant(call.data, call.options);
      call.gradients = gradients;
      SCOPED_TRACE(planted.argument);
      const kernel_results got = run_on_device(call);
      const kernel_results cpu = cosface::test::run_kernel(call.data, call.options, gradients);
      EXPECT_EQ(got.status, planted.status);
      EXPECT_STREQ(got.error.argument, planted.argument);
      EXPECT_EQ(got.error.index, planted.index);
      EXPECT_STREQ(got.error.message, cpu.error.message);
    }
}

TEST(cuda_fault, a_row_of_a_subset_is_named_by_its_place_in_the_weights) {
  const std::vector<int32_t> ids = {2, 9, 17};
  problem_data data = cosface::test::random_problem({5, 3, 20}, 1);
  data.weights = cosface::test::random_problem({5, 20, 20}, 2).weights;
  data.weights[17 * 20 + 4] = nan;
  device_call call{data, cosface::test::cos_face_options()};
  call.class_ids = &ids;
  const kernel_results got = run_on_device(call);
  EXPECT_EQ(got.status, COSFACE_ERROR_NOT_FINITE);
  EXPECT_EQ(got.error.index, 17 * 20 + 4);
  call.data.weights[17 * 20 + 4] = 0;
  call.data.weights[16 * 20] = nan;
  EXPECT_EQ(run_on_device(call).status, COSFACE_OK) << "a row outside the subset is not looked at";
}

TEST(cuda_fault, on_tensor_cores_too) {
  device_call call{cosface::test::random_problem({40, 300, 64}, 1), cosface::test::cos_face_options()};
  call.options.precision = COSFACE_PRECISION_BF16;
  call.data.weight(250)[3] = infinity;
  const kernel_results got = run_on_device(call);
  EXPECT_EQ(got.status, COSFACE_ERROR_NOT_FINITE);
  EXPECT_EQ(got.error.index, 250 * 64 + 3);
}

}  // namespace
}  // namespace cosface::cuda::test
