// What ignored labels, weights, margins and reductions mean, as the header says.
#include <gtest/gtest.h>

#include <numeric>

#include "kernel_call.h"
#include "relative_error.h"

namespace cosface::test {
namespace {

constexpr problem_shape shape = {23, 31, 18};

template <typename Function>
void for_each_isa(const Function& run) {
  for (const cosface_isa isa : supported_isas()) {
    SCOPED_TRACE(cosface_isa_name(isa));
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    options.scale = 16;
    run(options);
  }
}

kernel_results run_ok(const problem_data& data, const cosface_margin_softmax_options& options) {
  kernel_results got = run_kernel(data, options);
  EXPECT_EQ(got.status, COSFACE_OK) << got.error.message;
  return got;
}

std::vector<double> times(const std::vector<float>& values, double factor) {
  std::vector<double> out(values.begin(), values.end());
  for (double& v : out) v *= factor;
  return out;
}

void expect_nothing(const kernel_results& got) {
  EXPECT_EQ(got.reduced_loss, 0);
  EXPECT_EQ(got.counted, 0);
  for (const float v : got.loss) EXPECT_EQ(v, 0);
  for (const float v : got.d_embeddings) EXPECT_EQ(v, 0);
  for (const float v : got.d_weights) EXPECT_EQ(v, 0);
}

constexpr cosface_reduction reductions[] = {COSFACE_REDUCTION_NONE, COSFACE_REDUCTION_MEAN, COSFACE_REDUCTION_SUM};

TEST(semantics, all_ignored_is_zero) {
  for_each_isa([](cosface_margin_softmax_options options) {
    problem_data data = random_problem(shape, 1);
    std::fill(data.labels.begin(), data.labels.end(), -1);
    for (const cosface_reduction reduction : reductions) {
      options.reduction = reduction;
      const kernel_results got = run_ok(data, options);
      expect_nothing(got);
      for (const float v : got.target_cosine) EXPECT_EQ(v, 0);
    }
  });
}

TEST(semantics, all_weights_zero_is_zero) {
  for_each_isa([](cosface_margin_softmax_options options) {
    problem_data data = random_problem(shape, 2);
    data.sample_weights.assign(shape.batch, 0.0f);
    for (const cosface_reduction reduction : reductions) {
      options.reduction = reduction;
      expect_nothing(run_ok(data, options));
    }
  });
}

TEST(semantics, weight_zero_counts_as_ignored) {
  for_each_isa([](const cosface_margin_softmax_options& options) {
    problem_data ignored = random_problem(shape, 3), weightless = ignored;
    weightless.sample_weights.assign(shape.batch, 1.0f);
    for (int64_t i = 0; i < shape.batch; i += 3) {
      ignored.labels[i] = -1;
      weightless.sample_weights[i] = 0;
    }
    const kernel_results a = run_ok(ignored, options), b = run_ok(weightless, options);
    EXPECT_EQ(a.counted, shape.batch - (shape.batch + 2) / 3);
    EXPECT_EQ(b.counted, a.counted);
    EXPECT_TRUE(same_bits(a.loss, b.loss));
    EXPECT_DOUBLE_EQ(a.reduced_loss, b.reduced_loss);
    // Beyond the fp32 products: an ignored target is one more negative with the factor 0.
    EXPECT_LE(relative_error(a.d_embeddings, times(b.d_embeddings, 1), 0), 1e-6);
    EXPECT_LE(relative_error(a.d_weights, times(b.d_weights, 1), 0), 1e-6);
    // The cosine of a weightless sample is known and given; that of an ignored one has no class.
    EXPECT_EQ(a.target_cosine[0], 0);
    EXPECT_NE(b.target_cosine[0], 0);
  });
}

TEST(semantics, ignored_samples_get_no_gradient_but_a_prediction) {
  for_each_isa([](const cosface_margin_softmax_options& options) {
    problem_data data = random_problem(shape, 4);
    const kernel_results all = run_ok(data, options);
    data.labels[5] = -1;
    const kernel_results got = run_ok(data, options);
    EXPECT_EQ(got.loss[5], 0);
    for (int64_t d = 0; d < shape.dim; d++) EXPECT_EQ(got.d_embeddings[5 * shape.dim + d], 0);
    EXPECT_EQ(got.prediction[5], all.prediction[5]);
  });
}

TEST(semantics, an_ignored_sample_far_below_every_number_has_a_prediction) {
  for_each_isa([](cosface_margin_softmax_options options) {
    problem_data data = random_problem(shape, 4);
    std::fill_n(&data.embeddings[5 * shape.dim], shape.dim, -3e38f);
    for (float& w : data.weights) w = std::abs(w) + 100;
    data.labels.assign(shape.batch, -1);
    options.normalize_embeddings = options.normalize_weights = 0;
    EXPECT_EQ(run_ok(data, options).prediction[5], 0);
  });
}

TEST(semantics, any_ignore_label) {
  for_each_isa([](cosface_margin_softmax_options options) {
    problem_data data = random_problem(shape, 5);
    data.labels[7] = -1;
    const kernel_results expected = run_ok(data, options);
    for (const int32_t ignore : {-100, 1000000, INT32_MIN, INT32_MAX}) {
      data.labels[7] = options.ignore_label = ignore;
      EXPECT_EQ(first_difference(expected, run_ok(data, options)), "") << ignore;
    }
    // A class of the problem: its samples are ignored, as a class it stays in every softmax.
    data.labels[7] = 0;
    options.ignore_label = data.labels[3];
    const kernel_results got = run_ok(data, options);
    for (int64_t i = 0; i < shape.batch; i++) EXPECT_EQ(got.loss[i] == 0, data.labels[i] == options.ignore_label) << i;
  });
}

TEST(semantics, mean_is_sum_over_counted) {
  for_each_isa([](cosface_margin_softmax_options options) {
    problem_data data = random_problem(shape, 6);
    add_sample_weights(data, 7);
    add_ignored_labels(data, -1, 8);
    options.reduction = COSFACE_REDUCTION_MEAN;
    const kernel_results mean = run_ok(data, options);
    options.reduction = COSFACE_REDUCTION_SUM;
    const kernel_results sum = run_ok(data, options);
    int64_t counted = 0;
    for (int64_t i = 0; i < shape.batch; i++) counted += data.labels[i] != -1 && data.sample_weights[i] != 0;
    ASSERT_GT(counted, 0);
    ASSERT_LT(counted, shape.batch);
    EXPECT_EQ(mean.counted, counted);
    EXPECT_NEAR(mean.reduced_loss, sum.reduced_loss / double(counted), 1e-12 * std::abs(mean.reduced_loss));
    EXPECT_NEAR(sum.reduced_loss, std::accumulate(sum.loss.begin(), sum.loss.end(), 0.0), 1e-5);
    EXPECT_TRUE(same_bits(mean.loss, sum.loss));
    EXPECT_LE(relative_error(mean.d_embeddings, times(sum.d_embeddings, 1.0 / double(counted)), 0), 1e-6);
    EXPECT_LE(relative_error(mean.d_weights, times(sum.d_weights, 1.0 / double(counted)), 0), 1e-6);
  });
}

TEST(semantics, none_without_upstream_gradient_is_the_sum) {
  for_each_isa([](cosface_margin_softmax_options options) {
    problem_data data = random_problem(shape, 9);
    options.reduction = COSFACE_REDUCTION_SUM;
    const kernel_results sum = run_ok(data, options);
    options.reduction = COSFACE_REDUCTION_NONE;
    EXPECT_EQ(first_difference(sum, run_ok(data, options)), "");
    data.loss_gradient.assign(shape.batch, 2.0f);
    const kernel_results doubled = run_ok(data, options);
    EXPECT_TRUE(same_bits(sum.loss, doubled.loss));
    EXPECT_EQ(sum.reduced_loss, doubled.reduced_loss);
    EXPECT_LE(relative_error(doubled.d_embeddings, times(sum.d_embeddings, 2), 0), 1e-7);
    EXPECT_LE(relative_error(doubled.d_weights, times(sum.d_weights, 2), 0), 1e-7);
  });
}

TEST(semantics, upstream_gradient_selects_samples) {
  for_each_isa([](cosface_margin_softmax_options options) {
    options.reduction = COSFACE_REDUCTION_NONE;
    problem_data data = random_problem(shape, 10);
    data.loss_gradient.assign(shape.batch, 0.0f);
    data.loss_gradient[4] = 1;
    const kernel_results one = run_ok(data, options);
    data.loss_gradient.clear();
    const kernel_results all = run_ok(data, options);
    for (int64_t k = 0; k < shape.batch * shape.dim; k++)
      EXPECT_FLOAT_EQ(one.d_embeddings[k], k / shape.dim == 4 ? all.d_embeddings[k] : 0) << k;
  });
}

TEST(semantics, weights_scale_losses_and_gradients) {
  for_each_isa([](cosface_margin_softmax_options options) {
    options.reduction = COSFACE_REDUCTION_SUM;
    problem_data data = random_problem(shape, 11);
    const kernel_results plain = run_ok(data, options);
    data.sample_weights.assign(shape.batch, -0.5f);
    const kernel_results weighted = run_ok(data, options);
    EXPECT_EQ(weighted.counted, shape.batch);
    EXPECT_LE(relative_error(weighted.loss, times(plain.loss, -0.5), 0), 1e-7);
    EXPECT_LE(relative_error(weighted.d_embeddings, times(plain.d_embeddings, -0.5), 0), 1e-7);
    EXPECT_LE(relative_error(weighted.d_weights, times(plain.d_weights, -0.5), 0), 1e-7);
  });
}

TEST(semantics, weights_of_any_size) {
  // Gradients in proportion to 1e33 and 1e-33 stay inside float only if the factor is kept out of
  // the fp32 products, where it would meet a sum of exponentials of up to 2^92 or down to 2^-92.
  for_each_isa([](cosface_margin_softmax_options options) {
    options.scale = 64;
    options.reduction = COSFACE_REDUCTION_SUM;
    for (const float direction : {1.0f, -1.0f}) {
      // Every sample near (or opposite to) one centre that all classes share.
      problem_data data = random_problem(shape, 12);
      for (int64_t c = 0; c < shape.classes; c++) data.weight(c)[0] += 20;
      for (int64_t i = 0; i < shape.batch; i++) data.embedding(i)[0] = 40 * direction;
      const kernel_results plain = run_ok(data, options);
      for (const float weight : {1e33f, 1e-33f}) {
        data.sample_weights.assign(shape.batch, weight);
        const kernel_results weighted = run_ok(data, options);
        EXPECT_LE(relative_error(weighted.loss, times(plain.loss, weight), 0), 1e-6) << weight;
        EXPECT_LE(relative_error(weighted.d_embeddings, times(plain.d_embeddings, weight), 0), 1e-6) << weight;
        EXPECT_LE(relative_error(weighted.d_weights, times(plain.d_weights, weight), 0), 1e-6) << weight;
      }
    }
  });
}

TEST(semantics, sample_margins_replace_their_term) {
  for_each_isa([](cosface_margin_softmax_options options) {
    // Values that a float holds exactly, so that both ways give the same bits.
    const double margins[] = {1.25, 0.5, 0.25};
    options.m1 = margins[0];
    options.m2 = margins[1];
    options.m3 = margins[2];
    const problem_data common = random_problem(shape, 13);
    const kernel_results expected = run_ok(common, options);
    for (int term = COSFACE_MARGIN_M1; term <= COSFACE_MARGIN_M3; term++) {
      problem_data data = common;
      data.sample_margins.assign(shape.batch, static_cast<float>(margins[term - 1]));
      cosface_margin_softmax_options other = options;
      data.sample_margin_term = static_cast<cosface_margin_term>(term);
      (term == COSFACE_MARGIN_M1 ? other.m1 : term == COSFACE_MARGIN_M2 ? other.m2 : other.m3) = 0.875;
      EXPECT_EQ(first_difference(expected, run_ok(data, other)), "") << "m" << term;
      data.sample_margins.clear();
      EXPECT_NE(first_difference(expected, run_ok(data, other)), "") << "m" << term << " acts";
    }
  });
}

TEST(semantics, the_margin_touches_neither_prediction_nor_cosine) {
  for_each_isa([](cosface_margin_softmax_options options) {
    const problem_data data = random_problem(shape, 14);
    options.m3 = 0;
    const kernel_results without = run_ok(data, options);
    options.m3 = 1.5;
    options.m2 = 1;
    const kernel_results with = run_ok(data, options);
    EXPECT_TRUE(same_bits(without.prediction, with.prediction));
    EXPECT_TRUE(same_bits(without.target_cosine, with.target_cosine));
    EXPECT_GT(with.reduced_loss, without.reduced_loss);
  });
}

TEST(semantics, detached_differs_only_where_an_angle_is_margined) {
  for_each_isa([](cosface_margin_softmax_options options) {
    const problem_data data = random_problem(shape, 15);
    const auto both = [&](double m1, double m2) {
      options.m1 = m1;
      options.m2 = m2;
      options.gradient = COSFACE_GRADIENT_EXACT;
      const kernel_results exact = run_ok(data, options);
      options.gradient = COSFACE_GRADIENT_DETACHED;
      return first_difference(exact, run_ok(data, options));
    };
    EXPECT_EQ(both(1, 0), "");
    EXPECT_EQ(both(1, 0.5), "d_embeddings");  // and not loss, which is compared first
    EXPECT_EQ(both(2, 0), "d_embeddings");
  });
}

}  // namespace
}  // namespace cosface::test
