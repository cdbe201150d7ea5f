// Products that read w where it lies and take 1 / |w_c| as a factor later: norms in, at and beyond the range that
// job::reads_in_place allows, and addresses that no vector is aligned to. Each class block decides for itself, so
// neighbours of one sort and the other must fit together.
#include <gtest/gtest.h>

#include <string>

#include "kernel_call.h"
#include "relative_error.h"

namespace cosface::test {
namespace {

constexpr int64_t budgets[] = {0, 1 << 19, 64 << 20};

struct norm_sort {
  std::string name;
  std::vector<double> norms;  // in turn over the classes; 0 for a zero row
};

std::vector<norm_sort> norm_sorts() {
  constexpr double low = 0x1p-20, high = 0x1p20;
  return {{"in range", {1, low * 1.01, high * 0.99, 1e3, 1e-3}},
          {"at the ends", {low, high, low * (1 + 1e-6), high * (1 - 1e-6)}},
          {"beyond", {low / 2, high * 2, 1e-9, 1e12, 1e-11, 1e25}},
          {"with zeros", {1, 0, low * 2, high / 2, 0}}};
}

void set_norms(problem_data& data, const std::vector<double>& norms, int64_t first, int64_t end) {
  for (int64_t c = first; c < end; c++) {
    const double norm = norms[c % norms.size()];
    if (norm == 0)
      std::fill_n(data.weight(c), data.shape.dim, 0.0f);
    else
      scale_row(data.weight(c), data.shape.dim, norm);
  }
}

// The error of |w_c| dw_c: a gradient goes as 1 / |w_c|, and unweighed the shortest rows would hide all others.
double weighed_error(problem_data& data, const kernel_results& got, const reference_results& expected) {
  std::vector<float> weighed(got.d_weights.size());
  std::vector<double> wanted(got.d_weights.size());
  for (size_t k = 0; k < weighed.size(); k++) {
    const int64_t c = static_cast<int64_t>(k) / data.shape.dim;
    const double norm = row_norm(data.weight(c), data.shape.dim);
    weighed[k] = static_cast<float>(got.d_weights[k] * norm);
    wanted[k] = expected.d_weights[k] * norm;
  }
  return relative_error(weighed, wanted, 0);
}

void check(problem_data& data, cosface_margin_softmax_options options) {
  const reference_results expected = margin_softmax_reference(widen(data.view()), options);
  for (const cosface_isa isa : supported_isas())
    for (const int64_t budget : budgets) {
      options.isa = isa;
      options.workspace_bytes = budget;
      SCOPED_TRACE(testing::Message() << cosface_isa_name(isa) << " " << data.shape << " s=" << options.scale
                                      << " budget " << budget);
      const kernel_results got = run_kernel(data, options);
      ASSERT_EQ(got.status, COSFACE_OK) << got.error.message;
      EXPECT_LE(relative_error(got.loss, expected.loss, 0), loss_tolerance(options.scale));
      EXPECT_LE(relative_error(got.d_embeddings, expected.d_embeddings, 0), gradient_tolerance(options.scale));
      EXPECT_LE(weighed_error(data, got, expected), gradient_tolerance(options.scale));
      EXPECT_EQ(got.prediction, expected.prediction);
    }
}

// 61 rows, 300 classes: several panels, and blocks of classes of which one ends within a tile.
TEST(in_place, norms_of_every_sort) {
  for (const norm_sort& sort : norm_sorts())
    for (const int64_t dim : {32, 512, 33})
      for (const double scale : {16.0, 100.0}) {
        SCOPED_TRACE(sort.name);
        problem_data data = random_problem({61, 300, dim}, 71);
        set_norms(data, sort.norms, 0, 300);
        cosface_margin_softmax_options options = cos_face_options();
        options.scale = scale;
        check(data, options);
      }
}

// One norm beyond the range, in the first, a middle or the last class, packs its block and no other.
TEST(in_place, one_row_beyond_the_range) {
  for (const double norm : {1e-9, 1e12})
    for (const int64_t odd : {0, 150, 299}) {
      problem_data data = random_problem({61, 300, 64}, 72);
      scale_row(data.weight(odd), 64, norm);
      data.labels[0] = static_cast<int32_t>(odd);
      check(data, cos_face_options());
    }
}

TEST(in_place, misaligned_operands_give_the_same_bits) {
  const auto shifted = [](const std::vector<float>& v) {
    std::vector<float> out(v.size() + 1);
    std::copy(v.begin(), v.end(), out.begin() + 1);
    return out;
  };
  for (const norm_sort& sort : norm_sorts())
    for (const int64_t dim : {64, 512, 33})
      for (const int64_t budget : budgets) {
        problem_data data = random_problem({61, 300, dim}, 73);
        set_norms(data, sort.norms, 0, 300);
        const std::vector<float> x = shifted(data.embeddings), w = shifted(data.weights);
        for (const cosface_isa isa : supported_isas()) {
          cosface_margin_softmax_options options = cos_face_options();
          options.isa = isa;
          options.workspace_bytes = budget;
          cosface_margin_softmax_problem problem = data.view();
          problem.embeddings = x.data() + 1;
          problem.weights = w.data() + 1;
          EXPECT_EQ(first_difference(run_kernel(data, options), run_kernel(problem, options)), "")
              << cosface_isa_name(isa) << " " << sort.name << " D=" << dim << " budget " << budget;
        }
      }
}

// Else the tests above could compare packed operands with each other.
TEST(in_place, is_planned_where_tiles_are_wide) {
  const problem_data data = random_problem({61, 300, 64}, 74);
  const cosface_margin_softmax_problem problem = data.view();
  for (const cosface_isa isa : {COSFACE_ISA_AVX512, COSFACE_ISA_AVX512_BF16}) {
    if (!cosface_isa_supported(isa)) continue;
    cosface_margin_softmax_options options = cos_face_options();
    options.isa = isa;
    cosface_margin_softmax_plan plan{};
    ASSERT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, nullptr), COSFACE_OK);
    EXPECT_EQ(plan.pack_weights, 0);
    options.precision = COSFACE_PRECISION_BF16;
    ASSERT_EQ(cosface_margin_softmax_make_plan(&problem, &options, 1, &plan, nullptr), COSFACE_OK);
    EXPECT_EQ(plan.pack_weights, 1);
  }
}

}  // namespace
}  // namespace cosface::test
