// What the plan promises: memory within the budget, the widest tile that fits, words for people, no overflow.
#include <gtest/gtest.h>

#include "cuda/plan.h"
#include "cuda_call.h"

namespace cosface::cuda::test {
namespace {

device_properties properties_with(int64_t shared_bytes) {
  device_properties properties{};
  properties.name = "a device";
  properties.capability = 90;
  properties.multiprocessors = 132;
  properties.shared_bytes_per_block = shared_bytes;
  properties.shared_bytes_per_multiprocessor = shared_bytes + 1024;
  properties.memory_bytes = int64_t{80} << 30;
  return properties;
}

cosface_margin_softmax_options options_with(cosface_precision precision, int64_t budget) {
  cosface_margin_softmax_options options = cosface::test::cos_face_options();
  options.precision = precision;
  options.workspace_bytes = budget;
  return options;
}

TEST(cuda_plan, stays_within_the_budget_or_takes_the_least_plan) {
  const device_properties device = properties_with(hopper_shared_bytes);
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16})
    for (const step_shape& shape : std::vector<step_shape>{{512, 10575, 512, true},
                                                           {512, 100000, 512, true},
                                                           {4096, 1000000, 128, true},
                                                           {64, 1000000, 64, false},
                                                           {1, 1, 1, true},
                                                           {0, 5, 7, true}}) {
      const int64_t least = choose_step_plan(shape, options_with(precision, 1), device).workspace_bytes;
      for (const int64_t budget : {int64_t{1} << 20, int64_t{64} << 20, int64_t{1} << 30, int64_t{8} << 30}) {
        const step_plan plan = choose_step_plan(shape, options_with(precision, budget), device);
        EXPECT_LE(plan.workspace_bytes, std::max(budget, least)) << shape.batch << " x " << shape.classes;
        EXPECT_GE((plan.chunks - 1) * plan.chunk, plan.shape.classes - plan.chunk);
        EXPECT_LT((plan.chunks - 1) * plan.chunk, plan.shape.classes);
      }
    }
}

TEST(cuda_plan, keeps_all_exponentials_where_they_fit_by_default) {
  const device_properties device = properties_with(hopper_shared_bytes);
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16}) {
    const step_plan plan = choose_step_plan({512, 100000, 512, true}, options_with(precision, 0), device);
    EXPECT_EQ(plan.kept_chunks, plan.chunks);
  }
}

TEST(cuda_plan, takes_the_widest_tile_that_fits) {
  struct expectation {
    int64_t dim, shared_bytes, rows, columns;
  };
  for (const expectation& e : std::vector<expectation>{{512, hopper_shared_bytes, 64, 64},
                                                       {512, ampere_shared_bytes, 64, 32},
                                                       {512, consumer_shared_bytes, 32, 32},
                                                       {256, ampere_shared_bytes, 64, 64},
                                                       {256, consumer_shared_bytes, 64, 32},
                                                       {128, consumer_shared_bytes, 64, 64}}) {
    const step_plan plan = choose_step_plan({64, 1000, e.dim, true}, options_with(COSFACE_PRECISION_BF16, 0),
                                            properties_with(e.shared_bytes));
    ASSERT_NE(plan.tile, nullptr);
    EXPECT_EQ(plan.tile->rows, e.rows) << e.dim;
    EXPECT_EQ(plan.tile->columns, e.columns) << e.dim;
  }
  const step_plan small =
      choose_step_plan({64, 1000, 512, true}, options_with(COSFACE_PRECISION_BF16, 0), properties_with(48 << 10));
  EXPECT_EQ(small.tile, nullptr) << "no tile fits: general path";
}

TEST(cuda_plan, loss_only_takes_no_gradient_memory) {
  const device_properties device = properties_with(hopper_shared_bytes);
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16}) {
    const step_plan plan = choose_step_plan({512, 10575, 512, false}, options_with(precision, 0), device);
    const step_layout& l = plan.layout;
    EXPECT_EQ(l.parts, l.class_units) << "no parts of dx";
    EXPECT_LT(plan.workspace_bytes, 12000 * 512 * 4 + 512 * 512 * 4 + (8 << 20));
  }
}

TEST(cuda_plan, does_not_overflow_at_the_largest_shape) {
  const step_plan plan = choose_step_plan({INT32_MAX, INT32_MAX, 4096, true}, options_with(COSFACE_PRECISION_FP32, 1),
                                          properties_with(hopper_shared_bytes));
  EXPECT_GT(plan.workspace_bytes, int64_t{INT32_MAX} * 4096 * 4);
}

TEST(cuda_plan, refuses_a_dimension_beyond_its_kernels) {
  EXPECT_THROW(choose_step_plan({1, 1, largest_dim + 1, true}, options_with(COSFACE_PRECISION_FP32, 0),
                                properties_with(hopper_shared_bytes)),
               failure);
}

TEST(cuda_plan, says_what_it_does) {
  const device_properties device = properties_with(hopper_shared_bytes);
  const auto describe = [&](const step_shape& shape, cosface_precision precision, int64_t budget, double scale) {
    cosface_margin_softmax_options options = options_with(precision, budget);
    options.scale = scale;
    return describe_step_plan(choose_step_plan(shape, options, device), device);
  };
  EXPECT_NE(describe({512, 1000, 512, true}, COSFACE_PRECISION_BF16, 0, 64).find("64 x 64"), std::string::npos);
  EXPECT_NE(describe({512, 1000, 512, true}, COSFACE_PRECISION_FP32, 1, 160).find("2NCD more"), std::string::npos);
  EXPECT_NE(describe({512, 1000, 512, true}, COSFACE_PRECISION_FP32, 1, 64).find("8NCD"), std::string::npos);
  EXPECT_NE(describe({512, 1000, 100, false}, COSFACE_PRECISION_FP32, 0, 64).find("loss only"), std::string::npos);
}

}  // namespace
}  // namespace cosface::cuda::test
