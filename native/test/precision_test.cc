// bf16 products against the double reference, within the bounds of docs/math.md section 7, and against
// what rounding to nearest gives on average: a worst case alone would let truncation pass.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <string>

#include "accuracy_check.h"
#include "kernel_call.h"
#include "sample_scale.h"

namespace cosface::test {
namespace {

constexpr int64_t ragged[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 127, 512};
constexpr int64_t ragged_count = std::size(ragged);
constexpr double scales[] = {1, 16, 64, 100, 160};
constexpr int64_t budgets[] = {0, 1 << 16, 64 << 20};
constexpr cosface_precision bf16_precisions[] = {COSFACE_PRECISION_BF16_GRADIENTS, COSFACE_PRECISION_BF16};

constexpr double unit = 0x1p-8;                       // u of docs/math.md
constexpr double two_units = 2 * unit + unit * unit;  // rho

const char* name_of(cosface_precision precision) {
  return precision == COSFACE_PRECISION_BF16 ? "bf16" : precision == COSFACE_PRECISION_FP32 ? "fp32" : "bf16-gradients";
}

// Errors of a group, as they are bounded: the loss per unit of sample weight (relative L2 where it is in fp32),
// and each gradient in units of s |g| (1 - p_y) / |row|. Beside each, its worst part of its bound.
struct bf16_errors {
  double loss = 0, loss_part = 0;
  double d_embeddings = 0, d_embeddings_part = 0;
  double d_weights = 0, d_weights_part = 0;
};

void raise(double& worst, double value) {
  if (!(value <= worst)) worst = value;
}

// Section 7 for one precision. The section has the gradients' bounds for bf16 to first order in eta; these
// are they without that: what a factor within e^{+-eta} on every negative's exponential can do at most.
class bf16_bounds {
 public:
  bf16_bounds(cosface_precision precision, double scale)
      : scale_(scale), eta_(precision == COSFACE_PRECISION_BF16 ? scale * two_units : 0) {}

  double loss(const sample_scale& sample) const { return std::min(eta_, sample.miss * std::expm1(eta_)); }

  // Of |err dx_i| |x_i|, and of what the sample adds to the sum of |w_c| |err dw_c|.
  double gradient(const sample_scale& sample) const {
    const double hit = 1 - sample.miss;
    const double negatives = std::exp(eta_) / (hit + sample.miss * std::exp(-eta_)) - 1;
    const double target = hit * std::expm1(eta_) * sample.slope;
    return scale_ * sample.upstream * sample.miss * (two_units * (1 + negatives) + negatives + target) +
           fp32_allowance(sample, scale_);
  }

 private:
  double scale_, eta_;
};

// cos_ic in double.
std::vector<double> cosines_of(const problem_data& data) {
  const auto [batch, classes, dim] = data.shape;
  const auto inverse = [dim = dim](const float* row) {
    const double norm = row_norm(row, dim);
    return norm < COSFACE_ZERO_NORM ? 0 : 1 / norm;
  };
  std::vector<double> inverse_w(classes), cosines(batch * classes);
  for (int64_t c = 0; c < classes; c++) inverse_w[c] = inverse(&data.weights[c * dim]);
  for (int64_t i = 0; i < batch; i++) {
    const double inverse_x = inverse(&data.embeddings[i * dim]);
    for (int64_t c = 0; c < classes; c++) {
      double sum = 0;
      for (int64_t d = 0; d < dim; d++)
        sum += static_cast<double>(data.embeddings[i * dim + d]) * data.weights[c * dim + d];
      cosines[i * classes + c] = sum * inverse_x * inverse_w[c];
    }
  }
  return cosines;
}

struct checked_problem {
  const problem_data& data;
  const cosface_margin_softmax_options& options;
  reference_results expected;
  std::vector<sample_scale> samples;
  std::vector<double> cosines;

  checked_problem(const problem_data& problem, const cosface_margin_softmax_options& chosen)
      : data(problem),
        options(chosen),
        expected(margin_softmax_reference(widen(problem.view()), chosen)),
        samples(sample_scales_of(problem, chosen, expected)),
        cosines(cosines_of(problem)) {}
};

class precision_group {
 public:
  explicit precision_group(std::string name) : name_(std::move(name)) {}

  ~precision_group() {
    for (const auto& [key, worst] : worst_)
      std::printf(
          "[ accuracy ] %-22s %-11s %-14s loss %.1e (%.2f of bound) d_embeddings %.1e (%.2f) d_weights %.1e (%.2f)\n",
          name_.c_str(), cosface_isa_name(key.first), name_of(key.second), worst.loss, worst.loss_part,
          worst.d_embeddings, worst.d_embeddings_part, worst.d_weights, worst.d_weights_part);
  }

  void check(const problem_data& data, const cosface_margin_softmax_options& options) {
    const checked_problem problem(data, options);
    for (const cosface_isa isa : supported_isas())
      for (const cosface_precision precision : bf16_precisions) {
        cosface_margin_softmax_options here = options;
        here.isa = isa;
        here.precision = precision;
        SCOPED_TRACE(testing::Message() << name_ << " " << cosface_isa_name(isa) << " " << name_of(precision) << " "
                                        << data.shape << " s=" << options.scale << " budget "
                                        << options.workspace_bytes);
        const kernel_results got = run_kernel(data, here);
        ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
        EXPECT_EQ(got.counted, problem.expected.counted);
        bf16_errors& worst = worst_[{isa, precision}];
        compare_loss(problem, precision, got, worst);
        compare_gradients(problem, precision, got, worst);
        compare_predictions(problem, precision, got);
      }
  }

 private:
  // Without bf16 in the cosines the loss is held to what fp32 promises, over the whole array.
  static void compare_loss(const checked_problem& problem, cosface_precision precision, const kernel_results& got,
                           bf16_errors& worst) {
    const double rounding = loss_tolerance(problem.options.scale);
    const bool bf16 = precision == COSFACE_PRECISION_BF16;
    double size = 0, bound_of_all = 0;
    for (size_t i = 0; i < got.loss.size(); i++) {
      const double weight = problem.data.sample_weights.empty() ? 1.0 : std::abs(problem.data.sample_weights[i]);
      const double error = std::abs(got.loss[i] - problem.expected.loss[i]);
      const double bound = weight * bf16_bounds(precision, problem.options.scale).loss(problem.samples[i]) +
                           rounding * std::abs(problem.expected.loss[i]);
      EXPECT_LE(std::abs(got.target_cosine[i] - problem.expected.target_cosine[i]), 1e-6) << "row " << i;
      size += std::abs(problem.expected.loss[i]);
      bound_of_all += bound;
      if (!bf16 || error <= FLT_MIN) continue;
      EXPECT_LE(error, bound) << "row " << i << " loss " << problem.expected.loss[i];
      raise(worst.loss, error / weight);
      raise(worst.loss_part, error / bound);
    }
    const bool mean = problem.options.reduction == COSFACE_REDUCTION_MEAN;
    const double count = mean ? std::max<double>(static_cast<double>(problem.expected.counted), 1) : 1;
    EXPECT_LE(std::abs(got.reduced_loss - problem.expected.reduced_loss),
              (bf16 ? bound_of_all : rounding * size) / count + DBL_MIN);
    if (bf16) return;
    const double error = relative_error(got.loss, problem.expected.loss, 0);
    EXPECT_LE(error, rounding);
    raise(worst.loss, error);
    raise(worst.loss_part, error / rounding);
  }

  static void compare_gradients(const checked_problem& problem, cosface_precision precision, const kernel_results& got,
                                bf16_errors& worst) {
    const double scale = problem.options.scale;
    const bf16_bounds bounds(precision, scale);
    double bound_of_all = 0, size_of_all = 0;
    for (int64_t i = 0; i < problem.data.shape.batch; i++) {
      const sample_scale& sample = problem.samples[i];
      const double bound = bounds.gradient(sample), size = scale * sample.upstream * sample.miss;
      const double error = row_difference(got.d_embeddings, problem.expected.d_embeddings, i, problem.data.shape.dim);
      bound_of_all += bound;
      size_of_all += size;
      if (error == 0) continue;
      EXPECT_LE(error * sample.norm, bound) << "dx of row " << i << " 1 - p " << sample.miss;
      raise(worst.d_embeddings, error * sample.norm / size);
      raise(worst.d_embeddings_part, error * sample.norm / bound);
    }
    const double error = weighed_difference(problem.data, got.d_weights, problem.expected.d_weights);
    if (error == 0) return;
    EXPECT_LE(error, bound_of_all) << "dw";
    raise(worst.d_weights, error / size_of_all);
    raise(worst.d_weights_part, error / bound_of_all);
  }

  // Another class may be named only where its cosine is within rounding of the largest.
  static void compare_predictions(const checked_problem& problem, cosface_precision precision,
                                  const kernel_results& got) {
    const double near = (precision == COSFACE_PRECISION_BF16 ? 2 * two_units : 0) + 2e-6;
    const int64_t classes = problem.data.shape.classes;
    for (size_t i = 0; i < got.prediction.size(); i++) {
      const double* cosines = &problem.cosines[i * classes];
      ASSERT_GE(got.prediction[i], 0);
      ASSERT_LT(got.prediction[i], classes);
      EXPECT_GE(cosines[got.prediction[i]], *std::max_element(cosines, cosines + classes) - near) << "row " << i;
    }
  }

  std::string name_;
  std::map<std::pair<cosface_isa, cosface_precision>, bf16_errors> worst_;
};

// Every pair of the 13 sizes in each two of N, C and D.
std::vector<problem_shape> ragged_shapes(int64_t offset) {
  std::vector<problem_shape> shapes;
  for (int64_t n = 0; n < ragged_count; n++)
    for (int64_t c = 0; c < ragged_count; c++)
      shapes.push_back({ragged[n], ragged[c], ragged[(n + c + offset) % ragged_count]});
  return shapes;
}

// Scales, budgets and thread counts in turn: every pair of them meets shapes of every size.
cosface_margin_softmax_options options_in_turn(uint64_t turn) {
  cosface_margin_softmax_options options = cos_face_options();
  options.scale = scales[turn % std::size(scales)];
  options.workspace_bytes = budgets[turn % std::size(budgets)];
  options.threads = 1 + static_cast<int32_t>(turn % 2);
  return options;
}

TEST(precision, ragged_shapes) {
  precision_group group("ragged");
  uint64_t turn = 0;
  for (const problem_shape& shape : ragged_shapes(0)) {
    group.check(random_problem(shape, 1000 + turn), options_in_turn(turn));
    turn++;
  }
}

TEST(precision, ragged_shapes_with_everything_on) {
  precision_group group("ragged, all options");
  uint64_t turn = 0;
  for (const problem_shape& shape : ragged_shapes(5)) {
    cosface_margin_softmax_options options = options_in_turn(turn);
    options.m1 = 0.9;
    options.m2 = 0.4;
    options.m3 = 0.15;
    options.ignore_label = 3;
    options.reduction = COSFACE_REDUCTION_NONE;
    problem_data data = random_problem(shape, 2000 + turn);
    add_sample_weights(data, turn);
    add_ignored_labels(data, 3, turn + 1);
    add_loss_gradient(data, turn + 2);
    const interval ranges[] = {{0.5, 4}, {-1, 2}, {-1, 1.5}};
    data.sample_margin_term = static_cast<cosface_margin_term>(COSFACE_MARGIN_M1 + turn % 3);
    add_sample_margins(data, ranges[turn % 3], turn + 3);
    group.check(data, options);
    turn++;
  }
}

TEST(precision, zero_rows) {
  precision_group group("zero rows");
  for (const problem_shape& shape : std::vector<problem_shape>{{9, 7, 5}, {40, 131, 33}, {2, 2, 1}, {65, 113, 64}}) {
    problem_data data = random_problem(shape, 7);
    std::fill_n(data.embedding(0), shape.dim, 0.0f);
    std::fill_n(data.embedding(shape.batch - 1), shape.dim, 1e-20f);
    std::fill_n(data.weight(1), shape.dim, 0.0f);
    data.labels[shape.batch - 1] = 1;
    for (const int64_t budget : budgets) {
      cosface_margin_softmax_options options = cos_face_options();
      options.workspace_bytes = budget;
      group.check(data, options);
      for (const cosface_isa isa : supported_isas())
        for (const cosface_precision precision : bf16_precisions) {
          options.isa = isa;
          options.precision = precision;
          const kernel_results got = run_kernel(data, options);
          EXPECT_EQ(got.zero_embeddings, 2);
          EXPECT_EQ(got.zero_weights, 1);
          for (int64_t d = 0; d < shape.dim; d++) {
            EXPECT_EQ(got.d_embeddings[d], 0);
            EXPECT_EQ(got.d_embeddings[(shape.batch - 1) * shape.dim + d], 0);
            EXPECT_EQ(got.d_weights[shape.dim + d], 0);
          }
        }
    }
  }
}

TEST(precision, cosine_one_and_minus_one) {
  precision_group group("cos = +-1");
  for (const double m2 : {0.0, 0.5})
    for (const double scale : scales)
      for (const int64_t dim : {1, 2, 10, 33}) {
        cosface_margin_softmax_options options = cos_face_options();
        options.scale = scale;
        options.m2 = m2;
        options.m3 = 0;
        problem_data data = random_problem({8, 12, dim}, 5);
        for (int64_t i = 0; i < 8; i++)
          for (int64_t d = 0; d < dim; d++)
            data.embedding(i)[d] = (i % 2 ? -3.0f : 3.0f) * data.weight(data.labels[i])[d];
        group.check(data, options);
      }
}

TEST(precision, confident_rows) {
  precision_group group("confident");
  for (const double scale : scales)
    for (const int64_t classes : {2, 31, 1000})
      for (const int64_t budget : budgets) {
        cosface_margin_softmax_options options = cos_face_options();
        options.scale = scale;
        options.workspace_bytes = budget;
        problem_data data = random_problem({13, classes, 64}, 21);
        for (int64_t i = 0; i < 13; i++)
          for (int64_t d = 0; d < 64; d++)
            data.embedding(i)[d] = data.embedding(i)[d] * 0.01f + data.weight(data.labels[i])[d];
        group.check(data, options);
      }
}

TEST(precision, one_class_costs_nothing) {
  for (const cosface_isa isa : supported_isas())
    for (const cosface_precision precision : bf16_precisions)
      for (const int64_t budget : budgets)
        for (const int64_t dim : {1, 3, 64}) {
          cosface_margin_softmax_options options = cos_face_options();
          options.isa = isa;
          options.precision = precision;
          options.workspace_bytes = budget;
          const kernel_results got = run_kernel(random_problem({9, 1, dim}, 2), options);
          ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
          expect_all_zero(got);
        }
}

// 1e30: squares are outside of float; 2e-12: almost a zero row.
TEST(precision, norms) {
  precision_group group("norms");
  seeded_random random(41);
  for (const double scale : scales) {
    cosface_margin_softmax_options options = cos_face_options();
    options.scale = scale;
    problem_data data = random_problem({35, 61, 25}, 42);
    for (int64_t i = 0; i < 35; i++) scale_row(data.embedding(i), 25, std::pow(10, random.uniform(-11.5, 30)));
    for (int64_t c = 0; c < 61; c++) scale_row(data.weight(c), 25, std::pow(10, random.uniform(-11.5, 30)));
    group.check(data, options);
  }
}

cosface_margin_softmax_plan plan_of(const problem_data& data, const cosface_margin_softmax_options& options) {
  const cosface_margin_softmax_problem problem = data.view();
  cosface_margin_softmax_plan plan{};
  EXPECT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, nullptr), COSFACE_OK);
  return plan;
}

// Bits can agree only where the logits are formed from the same operands, and summed over the same slabs.
bool forms_logits_alike(const cosface_margin_softmax_plan& a, const cosface_margin_softmax_plan& b) {
  return a.pack_weights == b.pack_weights && a.class_slab == b.class_slab && a.class_block == b.class_block &&
         a.feature_depth == b.feature_depth;
}

TEST(precision, bf16_gradients_leave_no_trace_in_the_loss) {
  for (const cosface_isa isa : supported_isas()) {
    int alike = 0;
    uint64_t seed = 3000;
    for (const problem_shape& shape :
         std::vector<problem_shape>{{9, 33, 17}, {31, 127, 512}, {127, 512, 31}, {64, 700, 64}, {130, 1000, 50}})
      for (const double scale : scales)
        for (const int64_t budget : budgets) {
          SCOPED_TRACE(testing::Message()
                       << cosface_isa_name(isa) << " " << shape << " s=" << scale << " budget " << budget);
          const problem_data data = random_problem(shape, seed++);
          cosface_margin_softmax_options options = cos_face_options();
          options.scale = scale;
          options.isa = isa;
          options.workspace_bytes = budget;
          const kernel_results fp32 = run_kernel(data, options);
          const cosface_margin_softmax_plan plan = plan_of(data, options);
          options.precision = COSFACE_PRECISION_BF16_GRADIENTS;
          const kernel_results got = run_kernel(data, options);
          EXPECT_TRUE(same_bits(got.target_cosine, fp32.target_cosine));
          EXPECT_FALSE(same_bits(got.d_embeddings, fp32.d_embeddings)) << "bf16 was not used";
          EXPECT_FALSE(same_bits(got.d_weights, fp32.d_weights)) << "bf16 was not used";
          if (!forms_logits_alike(plan, plan_of(data, options))) continue;
          alike++;
          EXPECT_TRUE(same_bits(got.loss, fp32.loss));
          EXPECT_TRUE(same_bits(got.prediction, fp32.prediction));
          EXPECT_EQ(got.reduced_loss, fp32.reduced_loss);
        }
    EXPECT_GE(alike, 30) << cosface_isa_name(isa);
  }
}

// Roundings to nearest are unrelated and average (docs/math.md): a row whose n_i negatives matter errs by
// about 0.6 u / sqrt(n_i). Truncation errs to one side, and ends at several times that.
TEST(precision, roundings_average) {
  const problem_data data = random_problem({64, 2000, 256}, 61);
  for (const double scale : {8.0, 16.0, 32.0}) {
    cosface_margin_softmax_options options = cos_face_options();
    options.scale = scale;
    const checked_problem problem(data, options);
    double d_embeddings = 0;
    for (int64_t i = 0; i < data.shape.batch; i++) {
      double sum = 0, squares = 0;
      for (int64_t c = 0; c < data.shape.classes; c++) {
        if (c == data.labels[i]) continue;
        const double e = std::exp(scale * problem.cosines[i * data.shape.classes + c]);
        sum += e;
        squares += e * e;
      }
      const sample_scale& sample = problem.samples[i];
      const double typical =
          0.6 * unit * std::sqrt(squares) / sum * scale * sample.upstream * sample.miss / sample.norm;
      d_embeddings += typical * typical;
    }
    d_embeddings = std::sqrt(d_embeddings);
    for (const cosface_isa isa : supported_isas()) {
      options.isa = isa;
      options.precision = COSFACE_PRECISION_BF16_GRADIENTS;
      const kernel_results got = run_kernel(data, options);
      ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
      double error = 0;
      for (int64_t i = 0; i < data.shape.batch; i++)
        error += std::pow(row_difference(got.d_embeddings, problem.expected.d_embeddings, i, data.shape.dim), 2);
      error = std::sqrt(error);
      EXPECT_LE(error, 1.25 * d_embeddings) << cosface_isa_name(isa) << " s=" << scale;
      EXPECT_GE(error, 0.75 * d_embeddings) << cosface_isa_name(isa) << " s=" << scale;
      std::printf("[ accuracy ] %-22s %-11s bf16-gradients s=%-4g d_embeddings %.2f of 0.6 u / sqrt(n)\n", "roundings",
                  cosface_isa_name(isa), scale, error / d_embeddings);
    }
  }
}

TEST(precision, any_number_of_threads) {
  for (const cosface_isa isa : supported_isas())
    for (const cosface_precision precision : bf16_precisions)
      for (const problem_shape& shape :
           std::vector<problem_shape>{{97, 701, 33}, {300, 901, 31}, {3, 4001, 64}, {901, 3, 64}, {127, 513, 65}})
        for (const int64_t budget : {int64_t{0}, int64_t{1} << 20, int64_t{64} << 20})
          for (const double scale : {64.0, 160.0}) {
            problem_data data = random_problem(shape, 17);
            add_sample_weights(data, 18);
            add_ignored_labels(data, -1, 19);
            cosface_margin_softmax_options options = cos_face_options();
            options.scale = scale;
            options.isa = isa;
            options.precision = precision;
            options.workspace_bytes = budget;
            const kernel_results one = run_kernel(data, options);
            ASSERT_EQ(one.status, COSFACE_OK) << one.error.message;
            for (const int32_t threads : {2, 3, 8}) {
              options.threads = threads;
              EXPECT_EQ(first_difference(one, run_kernel(data, options)), "")
                  << cosface_isa_name(isa) << " " << name_of(precision) << " " << shape << " s=" << scale << " budget "
                  << budget << " threads " << threads;
            }
          }
}

}  // namespace
}  // namespace cosface::test
