// Scales, logit patterns and norms at which exponentials, sums or factors leave float's range, or half's, if a shift
// or the order of scaling is wrong. General path and tensor cores.
#include <gtest/gtest.h>

#include "cuda_accuracy_group.h"
#include "test/patterned_problem.h"

namespace cosface::cuda::test {
namespace {

constexpr double scales[] = {1, 8, 16, 30, 64, 80, 100, 160, 1000};
constexpr int64_t class_counts[] = {2, 20, 150};  // more tiles than one; an emulator is slow
constexpr pattern patterns[] = {pattern::random,  pattern::all_low, pattern::all_high,
                                pattern::one_hot, pattern::opposed, pattern::mixed};

cosface_margin_softmax_options options_at(double scale, cosface_precision precision = COSFACE_PRECISION_FP32) {
  cosface_margin_softmax_options options = cos_face_options();
  options.scale = scale;
  options.precision = precision;
  return options;
}

TEST(cuda_range, every_scale_class_count_and_pattern) {
  for (const pattern p : patterns) {
    cuda_accuracy_group group(name_of(p));
    for (const double scale : scales)
      for (const int64_t classes : class_counts) {
        const uint64_t seed = static_cast<uint64_t>(scale) * 7 + static_cast<uint64_t>(classes);
        group.check({patterned_problem({9, classes, 32}, p, seed), options_at(scale)});
      }
  }
}

double largest_scale_without_row_shift(int64_t classes) {
  const problem_data data = random_problem({8, classes, 2}, 1);
  double low = 1, high = 1000;
  while (high - low > 1e-3) {
    const double middle = (low + high) / 2;
    (plan_of({data, options_at(middle)}).row_shift ? high : low) = middle;
  }
  return low;
}

TEST(cuda_range, both_sides_of_the_switch_to_row_shifts) {
  cuda_accuracy_group group("at the switch");
  for (const int64_t classes : class_counts) {
    const double last = largest_scale_without_row_shift(classes);
    for (const double scale : {last, last + 0.01})
      for (const pattern p : {pattern::all_low, pattern::all_high, pattern::one_hot, pattern::mixed})
        for (const int64_t dim : {2, 9}) group.check({patterned_problem({8, classes, dim}, p, 77), options_at(scale)});
  }
}

// Rows that one negative dominates. Without its exponential from double in dw too, d_weights falls back to 2.6e-6.
constexpr accuracy_tolerances dominated_tolerances{.gradients = 1.5e-6};

TEST(cuda_range, confident_rows) {
  for (const double margin : {0.0, 0.35}) {
    cuda_accuracy_group group(margin == 0 ? "confident, m=0" : "confident, m=0.35", dominated_tolerances);
    for (const double scale : {16.0, 30.0, 64.0})
      for (const int64_t classes : class_counts) {
        problem_data data = random_problem({13, classes, 64}, 21);
        for (int64_t i = 0; i < 13; i++)
          for (int64_t d = 0; d < 64; d++)
            data.embedding(i)[d] = data.embedding(i)[d] * 0.01f + data.weight(data.labels[i])[d];
        cosface_margin_softmax_options options = options_at(scale);
        options.m3 = margin;
        group.check({data, options});
      }
  }
}

TEST(cuda_range, norms) {
  struct norm_pair {
    double embedding, weight;
  };
  cuda_accuracy_group group("|x|, |w| from 2e-12 to 1e30");
  for (const norm_pair& norms : std::vector<norm_pair>{
           {1e-10, 1}, {1, 1e-10}, {1e-10, 1e-10}, {1e18, 1e18}, {1e-10, 1e18}, {2e-12, 2e-12}, {1e30, 1e30}})
    for (const double scale : {64.0, 160.0})
      for (const pattern p : {pattern::random, pattern::all_high, pattern::one_hot}) {
        problem_data data = patterned_problem({11, 20, 40}, p, 31);
        for (int64_t i = 0; i < 11; i++) cosface::test::scale_row(data.embedding(i), 40, norms.embedding);
        for (int64_t c = 0; c < 20; c++) cosface::test::scale_row(data.weight(c), 40, norms.weight);
        group.check({data, options_at(scale)});
      }
}

TEST(cuda_range, from_a_vanishing_to_the_largest_scale) {
  cuda_accuracy_group group("s = 1e-12 .. 1e6");
  for (const double scale : {1e-12, 1e-3, 1e4, 1e5, 1e6})
    for (const int64_t classes : class_counts) group.check({random_problem({9, classes, 16}, 51), options_at(scale)});
}

}  // namespace
}  // namespace cosface::cuda::test
