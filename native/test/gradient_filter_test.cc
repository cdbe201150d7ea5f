// The gradient filter: what it may leave out (docs/math.md section 8), what it may not touch, and that it
// leaves out anything at all. A sample without its negatives keeps the pull of its own centre alone, which
// is known in closed form: so what was left out is seen in the gradients and not in a clock.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "kernel_call.h"
#include "sample_scale.h"

namespace cosface::test {
namespace {

constexpr cosface_precision precisions[] = {COSFACE_PRECISION_FP32, COSFACE_PRECISION_BF16_GRADIENTS,
                                            COSFACE_PRECISION_BF16};
constexpr double tolerances[] = {1e-6, 1e-4, 1e-2, 0.1, 0.5};
constexpr int64_t budgets[] = {0, 1 << 20, 64 << 20};
constexpr double bf16_products = 2 * 0x1p-8 + 0x1p-16;  // rho of docs/math.md

// How many of the samples lie on their centre; the rest are random.
enum class confidence {
  none,
  half,
  all_but_one,
  all
};

problem_data problem_of(const problem_shape& shape, confidence sure, uint64_t seed) {
  problem_data data = random_problem(shape, seed);
  for (int64_t i = 0; i < shape.batch; i++) {
    const bool is_sure = sure == confidence::all || (sure == confidence::half && i % 2) ||
                         (sure == confidence::all_but_one && i != shape.batch / 2);
    if (sure == confidence::none || !is_sure) continue;
    for (int64_t d = 0; d < shape.dim; d++)
      data.embedding(i)[d] = 0.02f * data.embedding(i)[d] + data.weight(data.labels[i])[d];
  }
  return data;
}

struct filtered_call {
  problem_data data;
  cosface_margin_softmax_options options;
};

// Shapes of one and of several panels, groups, slabs and row blocks; kept and recomputed exponentials.
std::vector<filtered_call> calls() {
  std::vector<filtered_call> all;
  uint64_t seed = 100;
  for (const problem_shape& shape :
       std::vector<problem_shape>{{1, 5, 64}, {70, 301, 64}, {333, 90, 65}, {40, 1500, 96}})
    for (const confidence sure : {confidence::none, confidence::half, confidence::all_but_one, confidence::all})
      for (const int64_t budget : budgets) {
        filtered_call call{problem_of(shape, sure, seed), cos_face_options()};
        if (seed % 3 == 0) {
          add_sample_weights(call.data, seed + 1);
          add_ignored_labels(call.data, -1, seed + 2);
        }
        constexpr double scales[] = {64, 16, 160};
        call.options.scale = scales[seed / 3 % 3];
        call.options.workspace_bytes = budget;
        all.push_back(std::move(call));
        seed++;
      }
  return all;
}

std::string describe(const filtered_call& call, const cosface_margin_softmax_options& options) {
  testing::Message text;
  text << cosface_isa_name(options.isa) << " " << call.data.shape << " s=" << options.scale << " budget "
       << options.workspace_bytes << " precision " << options.precision << " tolerance " << options.gradient_tolerance;
  return text.GetString();
}

// Everything but the gradients.
void expect_same_forward(const kernel_results& got, const kernel_results& unfiltered) {
  EXPECT_TRUE(same_bits(got.loss, unfiltered.loss));
  EXPECT_TRUE(same_bits(got.target_cosine, unfiltered.target_cosine));
  EXPECT_TRUE(same_bits(got.prediction, unfiltered.prediction));
  EXPECT_EQ(got.reduced_loss, unfiltered.reduced_loss);
  EXPECT_EQ(got.counted, unfiltered.counted);
  EXPECT_EQ(got.zero_embeddings, unfiltered.zero_embeddings);
  EXPECT_EQ(got.zero_weights, unfiltered.zero_weights);
}

// Worst parts of the bound that the gradients take up.
struct bound_parts {
  double d_embeddings = 0, d_weights = 0;
};

// `rounding`: what else the two may differ by, in units of s |g| (1 - p_y) max(|psi'|, 1).
template <class number>
bound_parts expect_within_bounds(const problem_data& data, const cosface_margin_softmax_options& options,
                                 const std::vector<sample_scale>& samples, double rounding, const kernel_results& got,
                                 const std::vector<number>& d_embeddings, const std::vector<number>& d_weights) {
  bound_parts parts;
  double bound_of_all = 0;
  for (int64_t i = 0; i < data.shape.batch; i++) {
    const sample_scale& sample = samples[i];
    const double size = options.scale * sample.upstream;
    const double bound =
        size * options.gradient_tolerance + rounding * size * sample.miss * std::max(sample.slope, 1.0);
    const double error = row_difference(got.d_embeddings, d_embeddings, i, data.shape.dim) * sample.norm;
    EXPECT_LE(error, bound) << "dx of row " << i;
    bound_of_all += bound;
    if (bound > 0) parts.d_embeddings = std::max(parts.d_embeddings, error / bound);
  }
  const double error = weighed_difference(data, got.d_weights, d_weights);
  EXPECT_LE(error, bound_of_all) << "dw";
  if (bound_of_all > 0) parts.d_weights = error / bound_of_all;
  return parts;
}

TEST(gradient_filter, tolerance_zero_is_the_default) {
  for (const filtered_call& call : calls())
    for (const cosface_isa isa : supported_isas())
      for (const cosface_precision precision : precisions) {
        cosface_margin_softmax_options options;
        cosface_margin_softmax_default_options(&options);
        options.scale = call.options.scale;
        options.workspace_bytes = call.options.workspace_bytes;
        options.isa = isa;
        options.precision = precision;
        const kernel_results untouched = run_kernel(call.data, options);
        options.gradient_tolerance = 0;
        EXPECT_EQ(first_difference(untouched, run_kernel(call.data, options)), "") << describe(call, options);
      }
}

TEST(gradient_filter, keeps_the_loss_and_the_bounds) {
  std::map<std::pair<cosface_isa, cosface_precision>, bound_parts> worst;
  for (const filtered_call& call : calls()) {
    const reference_results expected = margin_softmax_reference(widen(call.data.view()), call.options);
    const std::vector<sample_scale> samples = sample_scales_of(call.data, call.options, expected);
    for (const cosface_isa isa : supported_isas())
      for (const cosface_precision precision : precisions) {
        cosface_margin_softmax_options options = call.options;
        options.isa = isa;
        options.precision = precision;
        const kernel_results unfiltered = run_kernel(call.data, options);
        ASSERT_EQ(unfiltered.status, COSFACE_OK) << unfiltered.error.message;
        for (const double tolerance : tolerances) {
          options.gradient_tolerance = tolerance;
          SCOPED_TRACE(describe(call, options));
          const kernel_results got = run_kernel(call.data, options);
          ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
          expect_same_forward(got, unfiltered);
          const double rounding = 2 * gradient_tolerance(options.scale);
          const bool fp32 = precision == COSFACE_PRECISION_FP32;
          const bound_parts parts = expect_within_bounds(call.data, options, samples, fp32 ? rounding : rounding + 1e-4,
                                                         got, unfiltered.d_embeddings, unfiltered.d_weights);
          bound_parts& most = worst[{isa, precision}];
          most.d_embeddings = std::max(most.d_embeddings, parts.d_embeddings);
          most.d_weights = std::max(most.d_weights, parts.d_weights);
          if (precision != COSFACE_PRECISION_BF16)
            expect_within_bounds(call.data, options, samples, rounding + (fp32 ? 0 : bf16_products), got,
                                 expected.d_embeddings, expected.d_weights);
        }
      }
  }
  for (const auto& [key, parts] : worst)
    std::printf("[ accuracy ] gradient filter %-11s precision %d  d_embeddings %.3f d_weights %.3f of the bound\n",
                cosface_isa_name(key.first), key.second, parts.d_embeddings, parts.d_weights);
}

TEST(gradient_filter, any_number_of_threads) {
  for (const filtered_call& call : calls())
    for (const cosface_isa isa : supported_isas())
      for (const cosface_precision precision : precisions) {
        cosface_margin_softmax_options options = call.options;
        options.isa = isa;
        options.precision = precision;
        options.gradient_tolerance = 1e-2;
        const kernel_results one = run_kernel(call.data, options);
        for (const int32_t threads : {2, 3, 8}) {
          options.threads = threads;
          EXPECT_EQ(first_difference(one, run_kernel(call.data, options)), "")
              << describe(call, options) << " threads " << threads;
        }
      }
}

// Gradients of the samples' own terms alone, in double:
//   dx_i |x_i|  = tau_i (w^_y - cos x^_i),   dw_c |w_c| = sum_{i: y_i = c} tau_i (x^_i - cos w^_c)
struct target_gradients {
  std::vector<double> d_embeddings, d_weights;
};

target_gradients target_gradients_of(const problem_data& data, const cosface_margin_softmax_options& options,
                                     const reference_results& expected) {
  const auto [batch, classes, dim] = data.shape;
  const std::vector<sample_scale> samples = sample_scales_of(data, options, expected);
  target_gradients gradients{std::vector<double>(batch * dim), std::vector<double>(classes * dim)};
  for (int64_t i = 0; i < batch; i++) {
    if (samples[i].upstream == 0) continue;
    const float *x = &data.embeddings[i * dim], *w = &data.weights[data.labels[i] * dim];
    const double tau = -options.scale * samples[i].upstream * samples[i].miss * samples[i].slope;
    const double x_norm = samples[i].norm, w_norm = row_norm(w, dim), cosine = expected.target_cosine[i];
    for (int64_t d = 0; d < dim; d++) {
      gradients.d_embeddings[i * dim + d] = tau * (w[d] / w_norm - cosine * x[d] / x_norm) / x_norm;
      gradients.d_weights[data.labels[i] * dim + d] += tau * (x[d] / x_norm - cosine * w[d] / w_norm) / w_norm;
    }
  }
  return gradients;
}

// The samples whose dx is their target's pull alone. Corrections of dominant negatives (docs/math.md, section 2)
// come on top, kept or not, and are of the size of fp32's rounding of what was left out.
int64_t count_left_out(const kernel_results& got, const target_gradients& targets, double scale,
                       const std::vector<sample_scale>& samples, int64_t dim) {
  int64_t left_out = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(samples.size()); i++)
    left_out += row_difference(got.d_embeddings, targets.d_embeddings, i, dim) * samples[i].norm <=
                fp32_allowance(samples[i], scale);
  return left_out;
}

bool has_samples(const problem_data& data, int64_t c) {
  return std::find(data.labels.begin(), data.labels.end(), c) != data.labels.end();
}

bool is_zero_row(const std::vector<float>& matrix, int64_t row, int64_t dim) {
  return std::all_of(matrix.begin() + row * dim, matrix.begin() + (row + 1) * dim, [](float v) { return v == 0; });
}

// Every sample sure: what remains is exactly the pulls between samples and their own centres, and a class
// without a sample has no gradient left.
TEST(gradient_filter, of_sure_samples_only_the_positives_remain) {
  for (const int64_t budget : budgets)
    for (const problem_shape& shape : std::vector<problem_shape>{{70, 301, 64}, {333, 90, 65}, {40, 1500, 96}}) {
      const problem_data data = problem_of(shape, confidence::all, 5);
      cosface_margin_softmax_options options = cos_face_options();
      options.scale = 40;  // sure, and yet no gradient is near the smallest float
      options.m3 = 0;
      options.workspace_bytes = budget;
      options.threads = 2;
      const reference_results expected = margin_softmax_reference(widen(data.view()), options);
      const target_gradients targets = target_gradients_of(data, options, expected);
      const std::vector<sample_scale> samples = sample_scales_of(data, options, expected);
      for (const cosface_isa isa : supported_isas())
        for (const cosface_precision precision : precisions) {
          options.isa = isa;
          options.precision = precision;
          options.gradient_tolerance = 0;
          SCOPED_TRACE(testing::Message()
                       << cosface_isa_name(isa) << " precision " << precision << " " << shape << " budget " << budget);
          const kernel_results unfiltered = run_kernel(data, options);
          options.gradient_tolerance = 0.5;
          const kernel_results got = run_kernel(data, options);
          // In bf16 the cosines, and with them 1 - p_y of all terms, are another's.
          if (precision != COSFACE_PRECISION_BF16) {
            EXPECT_EQ(count_left_out(got, targets, options.scale, samples, shape.dim), shape.batch);
            EXPECT_EQ(count_left_out(unfiltered, targets, options.scale, samples, shape.dim), 0);
            EXPECT_LE(relative_error(got.d_weights, targets.d_weights, 0), gradient_tolerance(options.scale));
          }
          for (int64_t c = 0; c < shape.classes; c++) {
            EXPECT_EQ(is_zero_row(got.d_weights, c, shape.dim), !has_samples(data, c)) << "class " << c;
            EXPECT_FALSE(is_zero_row(unfiltered.d_weights, c, shape.dim)) << "class " << c;
          }
        }
    }
}

// One unsure sample keeps its panel; everyone else's negatives go.
TEST(gradient_filter, one_unsure_sample_among_sure_ones) {
  constexpr int64_t widest_panel = 64;
  for (const int64_t budget : budgets)
    for (const problem_shape& shape : std::vector<problem_shape>{{400, 301, 64}, {333, 90, 65}})
      for (const int64_t unsure : {int64_t{0}, shape.batch / 2, shape.batch - 1}) {
        problem_data data = problem_of(shape, confidence::all, 6);
        for (int64_t d = 0; d < shape.dim; d++) data.embedding(unsure)[d] = -data.embedding(unsure)[d];
        cosface_margin_softmax_options options = cos_face_options();
        options.scale = 30;
        options.m3 = 0;
        options.workspace_bytes = budget;
        const reference_results expected = margin_softmax_reference(widen(data.view()), options);
        const target_gradients targets = target_gradients_of(data, options, expected);
        const std::vector<sample_scale> samples = sample_scales_of(data, options, expected);
        for (const cosface_isa isa : supported_isas()) {
          SCOPED_TRACE(testing::Message()
                       << cosface_isa_name(isa) << " " << shape << " budget " << budget << " unsure " << unsure);
          options.isa = isa;
          options.gradient_tolerance = 0.5;
          const kernel_results got = run_kernel(data, options);
          const int64_t left_out = count_left_out(got, targets, options.scale, samples, shape.dim);
          EXPECT_GE(left_out, shape.batch - widest_panel);
          EXPECT_LT(left_out, shape.batch);
          const double of_unsure = options.scale * samples[unsure].upstream * samples[unsure].miss;
          EXPECT_LE(row_difference(got.d_embeddings, expected.d_embeddings, unsure, shape.dim) * samples[unsure].norm,
                    1e-5 * of_unsure);
          for (int64_t c = 0; c < shape.classes; c++) EXPECT_FALSE(is_zero_row(got.d_weights, c, shape.dim));
        }
      }
}

// Cosines that are all alike give every block of classes its share, and no tolerance lets go of that: the
// gradients are the unfiltered ones but for the order of sums.
TEST(gradient_filter, unsure_samples_lose_nothing) {
  for (const int64_t budget : budgets) {
    const problem_data data = problem_of({130, 700, 64}, confidence::none, 7);
    cosface_margin_softmax_options options = cos_face_options();
    options.scale = 1;
    options.workspace_bytes = budget;
    const reference_results expected = margin_softmax_reference(widen(data.view()), options);
    for (const cosface_isa isa : supported_isas()) {
      options.isa = isa;
      for (const double tolerance : tolerances) {
        options.gradient_tolerance = tolerance;
        const kernel_results got = run_kernel(data, options);
        EXPECT_LE(relative_error(got.d_embeddings, expected.d_embeddings, 0), gradient_tolerance(1));
        EXPECT_LE(relative_error(got.d_weights, expected.d_weights, 0), gradient_tolerance(1));
      }
    }
  }
}

// A sample without a gradient asks for no work: a batch of sure, ignored and weightless samples, the latter
// two as unsure as can be, loses all its negatives.
TEST(gradient_filter, ignored_and_weightless_samples_keep_nothing) {
  constexpr int64_t dim = 64, classes = 200;
  problem_data data = problem_of({150, classes, dim}, confidence::all, 8);
  data.sample_weights.assign(150, 1.0f);
  for (int64_t i = 0; i < 150; i += 3) {
    if (i % 2)
      data.sample_weights[i] = 0;
    else
      data.labels[i] = -1;
    for (int64_t d = 0; d < dim; d++) data.embedding(i)[d] = -data.embedding(i)[d];
  }
  for (const int64_t budget : budgets) {
    cosface_margin_softmax_options options = cos_face_options();
    options.scale = 40;
    options.m3 = 0;
    options.workspace_bytes = budget;
    options.gradient_tolerance = 0.5;
    const reference_results expected = margin_softmax_reference(widen(data.view()), options);
    const target_gradients targets = target_gradients_of(data, options, expected);
    const std::vector<sample_scale> samples = sample_scales_of(data, options, expected);
    for (const cosface_isa isa : supported_isas()) {
      options.isa = isa;
      const kernel_results got = run_kernel(data, options);
      SCOPED_TRACE(testing::Message() << cosface_isa_name(isa) << " budget " << budget);
      EXPECT_EQ(count_left_out(got, targets, options.scale, samples, dim), 150);
      EXPECT_LE(relative_error(got.d_weights, targets.d_weights, 0), gradient_tolerance(options.scale));
      for (int64_t i = 0; i < 150; i += 3) EXPECT_TRUE(is_zero_row(got.d_embeddings, i, dim));
    }
  }
  // None counts at all.
  std::fill(data.sample_weights.begin(), data.sample_weights.end(), 0.0f);
  for (const cosface_isa isa : supported_isas()) {
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    options.gradient_tolerance = 0.5;
    const kernel_results got = run_kernel(data, options);
    for (const float g : got.d_embeddings) EXPECT_EQ(g, 0);
    for (const float g : got.d_weights) EXPECT_EQ(g, 0);
  }
}

// The tolerance is one of mass: what is left out of a sample grows with it, and is nothing at all where it
// is below every block's share.
TEST(gradient_filter, a_larger_tolerance_leaves_out_no_less) {
  const problem_data data = problem_of({256, 500, 64}, confidence::half, 9);
  for (const cosface_isa isa : supported_isas()) {
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    options.scale = 30;
    options.m3 = 0;
    const kernel_results unfiltered = run_kernel(data, options);
    double before = 0;
    for (const double tolerance : {1e-12, 1e-6, 1e-4, 1e-2, 0.5}) {
      options.gradient_tolerance = tolerance;
      const kernel_results got = run_kernel(data, options);
      const double lost = weighed_difference(data, got.d_weights, unfiltered.d_weights);
      EXPECT_GE(lost, before * 0.9) << cosface_isa_name(isa) << " " << tolerance;
      before = std::max(before, lost);
    }
    EXPECT_GT(before, 1e-4);
  }
}

}  // namespace
}  // namespace cosface::test
