// The general path against the double reference, over shapes and options. Same problems and tolerances as the CPU's.
#include <gtest/gtest.h>

#include "cuda_accuracy_group.h"
#include "test/problem_family.h"

namespace cosface::cuda::test {
namespace {

// Every third of the shapes, since the next test takes all of them and an emulator is slow.
TEST(cuda_accuracy, ragged_shapes) {
  cuda_accuracy_group group("ragged");
  const std::vector<problem_shape> shapes = ragged_shapes(0);
  for (size_t k = 0; k < shapes.size(); k += 3) group.check({random_problem(shapes[k], 1000 + k), cos_face_options()});
}

TEST(cuda_accuracy, ragged_shapes_with_everything_on) {
  cuda_accuracy_group group("ragged, all options");
  uint64_t seed = 2000;
  for (const problem_shape& shape : ragged_shapes(5)) {
    const whole_problem whole = problem_with_everything_on(shape, seed++);
    group.check({whole.data, whole.options});
  }
}

TEST(cuda_accuracy, every_margin) {
  for (const named_options& member : option_family()) {
    cuda_accuracy_group group(member.name);
    uint64_t seed = 3000;
    for (const problem_shape& shape : std::vector<problem_shape>{{33, 50, 24}, {64, 127, 128}, {17, 9, 3}, {5, 2, 2}})
      group.check({random_problem(shape, seed++), member.options});
  }
}

// Plans differ in chunks, in which of them are kept, and in the parts of dx.
TEST(cuda_accuracy, every_budget) {
  cuda_accuracy_group group("budgets");
  bool recomputed = false, mixed = false, kept = false;
  for (const problem_shape& shape : std::vector<problem_shape>{{130, 500, 48}, {300, 77, 20}, {3, 700, 65}})
    for (const int64_t budget : {int64_t{1}, int64_t{600000}, int64_t{0}})
      for (const int multiprocessors : {1, 60}) {
        const problem_data data = random_problem(shape, 4000);
        device_call call{data, cos_face_options()};
        call.options.workspace_bytes = budget;
        call.multiprocessors = multiprocessors;
        group.check(call);
        const step_plan plan = plan_of(call);
        recomputed |= plan.chunks > 1 && plan.kept_chunks == 0;
        mixed |= plan.kept_chunks > 0 && plan.kept_chunks < plan.chunks;
        kept |= plan.kept_chunks == plan.chunks;
      }
  EXPECT_TRUE(recomputed && mixed && kept) << "every kind of plan was run";
}

TEST(cuda_accuracy, chunks_with_row_shifts) {
  cuda_accuracy_group group("chunks, s=160");
  for (const int64_t budget : {int64_t{1}, int64_t{0}}) {
    const whole_problem whole = problem_with_everything_on({70, 600, 40}, 4100);
    device_call call{whole.data, whole.options};
    call.options.scale = 160;
    call.options.workspace_bytes = budget;
    group.check(call);
  }
}

TEST(cuda_accuracy, long_rows) {
  cuda_accuracy_group group("D=4096");
  problem_data data = random_problem({8, 40, 4096}, 1);
  group.check({data, cos_face_options()});
  for (float& x : data.embeddings) x = std::abs(x);
  for (float& w : data.weights) w = std::abs(w);
  group.check({data, cos_face_options()});
}

TEST(cuda_accuracy, many_classes) {
  cuda_accuracy_group group("C=6000");
  group.check({random_problem({5, 6000, 33}, 1), cos_face_options()});
}

TEST(cuda_accuracy, exact_tie_gives_the_lowest_class) {
  // Equal rows of w have equal cosines wherever in a tile or chunk they stand.
  for (const int64_t budget : {int64_t{1}, int64_t{0}}) {
    problem_data data = random_problem({20, 400, 37}, 5);
    for (int64_t i = 0; i < 20; i++) {
      for (const int64_t c : {i + 20, 399 - i, i * 9 + 40}) std::copy_n(data.weight(i * 9 + 40), 37, data.weight(c));
      for (int64_t d = 0; d < 37; d++) data.embedding(i)[d] = 2 * data.weight(i * 9 + 40)[d];
    }
    std::vector<int32_t> lowest(20);
    for (int64_t i = 0; i < 20; i++) {
      int32_t c = 0;
      while (!std::equal(data.weight(c), data.weight(c) + 37, data.weight(399 - i))) c++;
      lowest[i] = c;
    }
    device_call call{data, cos_face_options()};
    call.options.workspace_bytes = budget;
    const kernel_results got = run_on_device(call);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    for (int64_t i = 0; i < 20; i++)
      if (std::equal(data.weight(399 - i), data.weight(399 - i) + 37, data.embedding(i),
                     [](float w, float x) { return x == 2 * w; })) {
        EXPECT_EQ(got.prediction[i], lowest[i]) << "row " << i;
      }
  }
}

TEST(cuda_accuracy, zero_rows) {
  cuda_accuracy_group group("zero rows");
  for (const problem_shape& shape : std::vector<problem_shape>{{9, 7, 5}, {40, 130, 33}, {2, 2, 1}}) {
    problem_data data = random_problem(shape, 7);
    std::fill_n(data.embedding(0), shape.dim, 0.0f);
    std::fill_n(data.embedding(shape.batch - 1), shape.dim, 1e-20f);
    std::fill_n(data.weight(1), shape.dim, 0.0f);
    data.labels[shape.batch - 1] = 1;
    for (const double scale : {64.0, 160.0}) {
      device_call call{data, cos_face_options()};
      call.options.scale = scale;
      call.options.workspace_bytes = 1;
      group.check(call);
      const kernel_results got = run_on_device(call);
      EXPECT_EQ(got.zero_embeddings, 2);
      EXPECT_EQ(got.zero_weights, 1) << "counted once, however often w is visited";
      for (int64_t d = 0; d < shape.dim; d++) {
        EXPECT_EQ(got.d_embeddings[d], 0);
        EXPECT_EQ(got.d_weights[shape.dim + d], 0);
      }
    }
  }
}

TEST(cuda_accuracy, cosine_one_and_minus_one) {
  cuda_accuracy_group group("cos = +-1");
  for (const double m2 : {0.0, 0.5})
    for (const double m1 : {1.0, 4.0}) {
      cosface_margin_softmax_options options = cos_face_options();
      options.m1 = m1;
      options.m2 = m2;
      options.m3 = 0;
      problem_data data = random_problem({8, 12, 10}, 5);
      for (int64_t i = 0; i < 8; i++)
        for (int64_t d = 0; d < 10; d++) data.embedding(i)[d] = (i % 2 ? -3.0f : 3.0f) * data.weight(data.labels[i])[d];
      group.check({data, options});
    }
}

TEST(cuda_accuracy, one_dimension) {
  cuda_accuracy_group group("D=1");
  for (const problem_shape& shape : std::vector<problem_shape>{{1, 2, 1}, {30, 40, 1}, {127, 3, 1}})
    group.check({random_problem(shape, 6), cos_face_options()});
}

// All rows nearly along one direction, not along an axis: the projection cancels most of the fp32 sums.
TEST(cuda_accuracy, collapsed_rows) {
  cuda_accuracy_group group("collapsed");
  for (const int64_t dim : {2, 3, 40}) {
    problem_data data = random_problem({30, 20, dim}, 9);
    cosface::test::seeded_random random(10);
    const std::vector<float> direction = cosface::test::normal_matrix(random, dim);
    for (size_t k = 0; k < data.embeddings.size(); k++) data.embeddings[k] += 100 * direction[k % dim];
    for (size_t k = 0; k < data.weights.size(); k++) data.weights[k] += 100 * direction[k % dim];
    group.check({data, cos_face_options()});
  }
}

// The subset's rows of w as a dense problem of their own must give the same.
TEST(cuda_accuracy, class_subset) {
  const std::vector<int32_t> ids = {0, 3, 4, 9, 130, 131, 199};
  const problem_data whole = random_problem({25, 200, 20}, 10);
  problem_data dense = random_problem({25, static_cast<int64_t>(ids.size()), 20}, 11);
  for (size_t c = 0; c < ids.size(); c++)
    std::copy_n(&whole.weights[ids[c] * 20], 20, dense.weight(static_cast<int64_t>(c)));
  problem_data subset = dense;
  subset.weights = whole.weights;
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16}) {
    device_call of_dense{dense, cos_face_options()}, of_subset{subset, cos_face_options()};
    of_dense.options.precision = of_subset.options.precision = precision;
    of_subset.class_ids = &ids;
    const kernel_results expected = run_on_device(of_dense), got = run_on_device(of_subset);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    EXPECT_EQ(cosface::test::first_difference(expected, got), "");
  }
}

TEST(cuda_accuracy, no_samples) {
  const problem_data data = random_problem({0, 5, 7}, 1);
  for (const bool gradients : {false, true}) {
    device_call call{data, cos_face_options()};
    call.gradients = gradients;
    const kernel_results got = run_on_device(call);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    EXPECT_EQ(got.reduced_loss, 0);
    EXPECT_EQ(got.counted, 0);
    for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  }
}

TEST(cuda_accuracy, one_class_costs_nothing) {
  for (const int64_t dim : {1, 3, 64}) {
    const kernel_results got = run_on_device({random_problem({9, 1, dim}, 2), cos_face_options()});
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    cosface::test::expect_all_zero(got);
  }
}

TEST(cuda_accuracy, all_ignored_is_zero) {
  problem_data data = random_problem({23, 31, 18}, 1);
  std::fill(data.labels.begin(), data.labels.end(), -1);
  const kernel_results got = run_on_device({data, cos_face_options()});
  ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
  EXPECT_EQ(got.reduced_loss, 0);
  EXPECT_EQ(got.counted, 0);
  for (const float g : got.d_embeddings) EXPECT_EQ(g, 0);
  for (const float g : got.d_weights) EXPECT_EQ(g, 0);
}

// Upstream gradients of any size stay out of the fp32 products.
TEST(cuda_accuracy, weights_of_any_size) {
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16})
    for (const float weight : {1e33f, 1e-33f}) {
      device_call call{random_problem({23, 31, 64}, 12), cos_face_options()};
      call.options.precision = precision;
      call.options.reduction = COSFACE_REDUCTION_SUM;
      const kernel_results plain = run_on_device(call);
      call.data.sample_weights.assign(23, weight);
      const kernel_results weighted = run_on_device(call);
      ASSERT_EQ(weighted.status, COSFACE_OK) << weighted.error.message;
      const auto times = [weight](const std::vector<float>& values) {
        std::vector<double> out(values.begin(), values.end());
        for (double& v : out) v *= weight;
        return out;
      };
      EXPECT_LE(relative_error(weighted.loss, times(plain.loss), 0), 1e-6);
      EXPECT_LE(relative_error(weighted.d_embeddings, times(plain.d_embeddings), 0), 1e-6);
      // Half products are scaled by a power of two, and so round the same but for the exponent's own rounding.
      EXPECT_LE(relative_error(weighted.d_weights, times(plain.d_weights), 0),
                precision == COSFACE_PRECISION_FP32 ? 1e-6 : 1e-3);
    }
}

// Without gradients, or without dx, the rest is the same bits.
TEST(cuda_accuracy, every_subset_of_gradients) {
  for (const cosface_precision precision : {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16}) {
    const whole_problem whole = problem_with_everything_on({40, 150, 64}, 13);
    device_call call{whole.data, whole.options};
    call.options.precision = precision;
    const kernel_results all = run_on_device(call);
    call.d_embeddings = false;
    const kernel_results only_d_weights = run_on_device(call);
    EXPECT_TRUE(cosface::test::same_bits(all.d_weights, only_d_weights.d_weights));
    EXPECT_TRUE(cosface::test::same_bits(all.loss, only_d_weights.loss));
    call.gradients = false;
    const kernel_results loss_only = run_on_device(call);
    ASSERT_EQ(loss_only.status, COSFACE_OK) << loss_only.error.message;
    EXPECT_TRUE(cosface::test::same_bits(all.loss, loss_only.loss));
    EXPECT_TRUE(cosface::test::same_bits(all.prediction, loss_only.prediction));
    EXPECT_EQ(all.reduced_loss, loss_only.reduced_loss);
  }
}

}  // namespace
}  // namespace cosface::cuda::test
