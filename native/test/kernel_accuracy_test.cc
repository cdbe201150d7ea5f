// Every instruction set against the double reference, over shapes and options.
#include <gtest/gtest.h>

#include "accuracy_check.h"
#include "guarded_array.h"
#include "problem_family.h"

namespace cosface::test {
namespace {

TEST(kernel_accuracy, ragged_shapes) {
  accuracy_group group("ragged");
  uint64_t seed = 1000;
  for (const problem_shape& shape : ragged_shapes(0)) group.check(random_problem(shape, seed++), cos_face_options());
}

TEST(kernel_accuracy, ragged_shapes_with_everything_on) {
  accuracy_group group("ragged, all options");
  uint64_t seed = 2000;
  for (const problem_shape& shape : ragged_shapes(5)) {
    const whole_problem whole = problem_with_everything_on(shape, seed++);
    group.check(whole.data, whole.options);
  }
}

TEST(kernel_accuracy, every_margin) {
  for (const named_options& member : option_family()) {
    accuracy_group group(member.name);
    uint64_t seed = 3000;
    for (const problem_shape& shape : std::vector<problem_shape>{{33, 50, 24}, {64, 127, 128}, {17, 9, 3}, {5, 2, 2}})
      group.check(random_problem(shape, seed++), member.options);
  }
}

// Plans differ in which code runs: kept and recomputed exponentials, one and many row blocks.
TEST(kernel_accuracy, every_budget_and_thread_count) {
  accuracy_group group("budgets and threads");
  for (const int64_t budget : {int64_t{0}, int64_t{1} << 16, int64_t{1} << 19, int64_t{1} << 21, int64_t{64} << 20})
    for (const int32_t threads : {1, 2, 3})
      for (const problem_shape& shape : std::vector<problem_shape>{{130, 1000, 48}, {300, 77, 20}, {3, 700, 65}}) {
        cosface_margin_softmax_options options = cos_face_options();
        options.workspace_bytes = budget;
        options.threads = threads;
        group.check(random_problem(shape, 4000), options);
      }
}

TEST(kernel_accuracy, no_samples) {
  for (const cosface_isa isa : supported_isas()) {
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    const problem_data data = random_problem({0, 5, 7}, 1);
    const kernel_results got = run_kernel(data, options);
    ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
    EXPECT_EQ(got.reduced_loss, 0);
    EXPECT_EQ(got.counted, 0);
    for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  }
}

TEST(kernel_accuracy, one_class_costs_nothing) {
  for (const cosface_isa isa : supported_isas())
    for (const int64_t dim : {1, 3, 64}) {
      cosface_margin_softmax_options options = cos_face_options();
      options.isa = isa;
      const kernel_results got = run_kernel(random_problem({9, 1, dim}, 2), options);
      ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
      expect_all_zero(got);
    }
}

TEST(kernel_accuracy, rectified_embeddings) {
  // All-positive embeddings (after a ReLU): every product has one sign, so the terms of a cosine
  // add up instead of cancelling and a running fp32 sum shows its bias.
  accuracy_group group("rectified, D=512");
  for (uint64_t seed = 1; seed <= 3; seed++) {
    problem_data data = random_problem({16, 100, 512}, seed);
    for (float& x : data.embeddings) x = std::abs(x);
    for (float& w : data.weights) w = std::abs(w);
    group.check(data, cos_face_options());
  }
}

TEST(kernel_accuracy, long_rows) {
  accuracy_group group("D=4096");
  problem_data data = random_problem({8, 40, 4096}, 1);
  group.check(data, cos_face_options());
  for (float& x : data.embeddings) x = std::abs(x);
  for (float& w : data.weights) w = std::abs(w);
  group.check(data, cos_face_options());
}

TEST(kernel_accuracy, many_classes) {
  accuracy_group group("C=20000");
  group.check(random_problem({5, 20000, 128}, 1), cos_face_options());
  cosface_margin_softmax_options options = cos_face_options();
  options.workspace_bytes = 0;
  group.check(random_problem({5, 20000, 33}, 2), options);
}

// What a training step sees, at its real width.
TEST(kernel_accuracy, training_step) {
  accuracy_group group("N=64 C=2000 D=512");
  group.check(random_problem({64, 2000, 512}, 1), cos_face_options());
}

TEST(kernel_accuracy, every_subset_of_outputs) {
  const problem_data data = random_problem({21, 33, 19}, 1);
  const cosface_margin_softmax_problem problem = data.view();
  for (const cosface_isa isa : supported_isas()) {
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    const kernel_results all = run_kernel(data, options);
    for (int subset = 0; subset < 16; subset++) {
      std::vector<float> loss(21), cosine(21), dx(21 * 19), dw(33 * 19);
      std::vector<int32_t> prediction(21);
      cosface_margin_softmax_results results{};
      if (subset & 1) results.loss = loss.data();
      if (subset & 2) results.target_cosine = cosine.data();
      if (subset & 4) results.prediction = prediction.data();
      if (subset & 8) results.d_embeddings = dx.data(), results.d_weights = dw.data();
      cosface_error error;
      ASSERT_EQ(cosface_margin_softmax(&problem, &options, &results, &error), COSFACE_OK) << error.message;
      EXPECT_NEAR(results.reduced_loss, all.reduced_loss, 1e-6 * all.reduced_loss) << subset;
      if (subset & 2) {
        EXPECT_TRUE(same_bits(cosine, all.target_cosine)) << subset;
      }
      if (subset & 4) {
        EXPECT_TRUE(same_bits(prediction, all.prediction)) << subset;
      }
      if (subset & 8) {
        EXPECT_TRUE(same_bits(dx, all.d_embeddings) && same_bits(dw, all.d_weights)) << subset;
      }
      if ((subset & 9) == 9) {
        EXPECT_TRUE(same_bits(loss, all.loss)) << subset;
      }
    }
  }
}

TEST(kernel_accuracy, exact_tie_gives_the_lowest_class) {
  // Equal rows of w have equal cosines wherever in a tile, block or slab they stand.
  constexpr int64_t classes = 400, dim = 37;
  for (const cosface_isa isa : supported_isas())
    for (const int64_t budget : {int64_t{0}, int64_t{64} << 20})
      for (uint64_t seed = 1; seed <= 8; seed++) {
        seeded_random random(seed);
        problem_data data = random_problem({20, classes, dim}, seed);
        std::vector<int32_t> lowest(20);
        for (int64_t i = 0; i < 20; i++) {
          // Sample i is closest to a row that stands at three places.
          int64_t at[3];
          for (int64_t& c : at) c = i * 20 + random.below(20);
          lowest[i] = static_cast<int32_t>(*std::min_element(at, at + 3));
          for (const int64_t c : at)
            for (int64_t d = 0; d < dim; d++) data.weight(c)[d] = data.weight(at[0])[d];
          for (int64_t d = 0; d < dim; d++) data.embedding(i)[d] = 2 * data.weight(at[0])[d];
        }
        // Also across blocks: the last class repeats what sample 0 is closest to.
        for (int64_t d = 0; d < dim; d++) data.weight(classes - 1)[d] = data.weight(lowest[0])[d];
        cosface_margin_softmax_options options = cos_face_options();
        options.isa = isa;
        options.workspace_bytes = budget;
        const kernel_results got = run_kernel(data, options);
        ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
        for (int64_t i = 0; i < 19; i++) EXPECT_EQ(got.prediction[i], lowest[i]) << "seed " << seed << " row " << i;
      }
}

TEST(kernel_accuracy, zero_rows) {
  accuracy_group group("zero rows");
  for (const problem_shape& shape : std::vector<problem_shape>{{9, 7, 5}, {40, 130, 33}, {2, 2, 1}}) {
    problem_data data = random_problem(shape, 7);
    std::fill_n(data.embedding(0), shape.dim, 0.0f);
    std::fill_n(data.embedding(shape.batch - 1), shape.dim, 1e-20f);
    std::fill_n(data.weight(1), shape.dim, 0.0f);
    data.labels[shape.batch - 1] = 1;
    group.check(data, cos_face_options());
    for (const cosface_isa isa : supported_isas()) {
      cosface_margin_softmax_options options = cos_face_options();
      options.isa = isa;
      const kernel_results got = run_kernel(data, options);
      EXPECT_EQ(got.zero_embeddings, 2);
      EXPECT_EQ(got.zero_weights, 1);
      for (int64_t d = 0; d < shape.dim; d++) {
        EXPECT_EQ(got.d_embeddings[d], 0);
        EXPECT_EQ(got.d_weights[shape.dim + d], 0);
      }
    }
  }
}

TEST(kernel_accuracy, zero_rows_are_counted_once) {
  // Row blocks, row groups, class slabs and the extra pass of row shifts all see the same rows.
  problem_data data = random_problem({700, 300, 20}, 11);
  for (const int64_t i : {0, 333, 699}) std::fill_n(data.embedding(i), 20, 0.0f);
  for (const int64_t c : {0, 150, 151, 152, 299}) std::fill_n(data.weight(c), 20, 0.0f);
  for (const cosface_isa isa : supported_isas())
    for (const int64_t budget : {int64_t{0}, int64_t{64} << 20})
      for (const double scale : {64.0, 160.0})
        for (const bool gradients : {false, true}) {
          cosface_margin_softmax_options options = cos_face_options();
          options.isa = isa;
          options.workspace_bytes = budget;
          options.scale = scale;
          options.threads = 3;
          const kernel_results got = run_kernel(data, options, gradients);
          ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
          EXPECT_EQ(got.zero_embeddings, 3);
          EXPECT_EQ(got.zero_weights, 5);
        }
}

TEST(kernel_accuracy, cosine_one_and_minus_one) {
  accuracy_group group("cos = +-1");
  for (const double m2 : {0.0, 0.5})
    for (const double m1 : {1.0, 4.0}) {
      cosface_margin_softmax_options options = cos_face_options();
      options.m1 = m1;
      options.m2 = m2;
      options.m3 = 0;
      problem_data data = random_problem({8, 12, 10}, 5);
      for (int64_t i = 0; i < 8; i++)
        for (int64_t d = 0; d < 10; d++) data.embedding(i)[d] = (i % 2 ? -3.0f : 3.0f) * data.weight(data.labels[i])[d];
      group.check(data, options);
    }
}

TEST(kernel_accuracy, one_dimension) {
  // All vectors are parallel: every cosine is 1 or -1 and every gradient 0.
  accuracy_group group("D=1");
  for (const problem_shape& shape : std::vector<problem_shape>{{1, 2, 1}, {30, 40, 1}, {127, 3, 1}})
    group.check(random_problem(shape, 6), cos_face_options());
}

// Inputs that end where an unmapped page begins, and whose addresses are odd multiples of 4: a read
// past the end or an aligned load dies here.
TEST(kernel_accuracy, inputs_at_the_edge_of_a_page) {
  for (const cosface_isa isa : supported_isas())
    for (const problem_shape& shape :
         std::vector<problem_shape>{{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {63, 65, 127}, {130, 250, 31}})
      for (const edge side : {edge::end, edge::start}) {
        const problem_data data = random_problem(shape, 8);
        cosface_margin_softmax_options options = cos_face_options();
        options.isa = isa;
        const kernel_results plain = run_kernel(data, options);
        guarded_array<float> x(data.embeddings, side), w(data.weights, side);
        guarded_array<int32_t> y(data.labels, side);
        guarded_array<float> dx(data.embeddings, side), dw(data.weights, side), loss(plain.loss, side);
        cosface_margin_softmax_problem problem = data.view();
        problem.embeddings = x.data();
        problem.weights = w.data();
        problem.labels = y.data();
        cosface_margin_softmax_results results{};
        results.loss = loss.data();
        results.d_embeddings = dx.data();
        results.d_weights = dw.data();
        cosface_error error;
        ASSERT_EQ(cosface_margin_softmax(&problem, &options, &results, &error), COSFACE_OK) << error.message;
        EXPECT_TRUE(same_bits(loss.copy(), plain.loss)) << shape;
        EXPECT_TRUE(same_bits(dx.copy(), plain.d_embeddings)) << shape;
        EXPECT_TRUE(same_bits(dw.copy(), plain.d_weights)) << shape;
      }
}

TEST(kernel_accuracy, unaligned_arrays) {
  const problem_shape shape = {20, 70, 24};
  const problem_data data = random_problem(shape, 9);
  const auto shifted = [](const std::vector<float>& v) {
    std::vector<float> out(v.size() + 1);
    std::copy(v.begin(), v.end(), out.begin() + 1);
    return out;
  };
  const std::vector<float> x = shifted(data.embeddings), w = shifted(data.weights);
  for (const cosface_isa isa : supported_isas()) {
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    const kernel_results plain = run_kernel(data, options);
    cosface_margin_softmax_problem problem = data.view();
    problem.embeddings = x.data() + 1;
    problem.weights = w.data() + 1;
    std::vector<float> dx(data.embeddings.size() + 1), dw(data.weights.size() + 1);
    cosface_margin_softmax_results results{};
    results.d_embeddings = dx.data() + 1;
    results.d_weights = dw.data() + 1;
    cosface_error error;
    ASSERT_EQ(cosface_margin_softmax(&problem, &options, &results, &error), COSFACE_OK) << error.message;
    EXPECT_TRUE(std::equal(dx.begin() + 1, dx.end(), plain.d_embeddings.begin()));
    EXPECT_TRUE(std::equal(dw.begin() + 1, dw.end(), plain.d_weights.begin()));
  }
}

}  // namespace
}  // namespace cosface::test
