// Scales, logit patterns and norms at which exponentials, sums or factors leave float's range if the
// shift or the order of scaling is wrong.
#include <gtest/gtest.h>

#include "accuracy_check.h"
#include "patterned_problem.h"

namespace cosface::test {
namespace {

constexpr double scales[] = {1, 8, 16, 30, 64, 80, 100, 160, 1000};
constexpr int64_t class_counts[] = {2, 20, 1000};

TEST(kernel_range, every_scale_class_count_and_pattern) {
  for (const pattern p :
       {pattern::random, pattern::all_low, pattern::all_high, pattern::one_hot, pattern::opposed, pattern::mixed}) {
    accuracy_group group(name_of(p));
    for (const double scale : scales)
      for (const int64_t classes : class_counts) {
        cosface_margin_softmax_options options = cos_face_options();
        options.scale = scale;
        uint64_t seed = static_cast<uint64_t>(scale) * 7 + static_cast<uint64_t>(classes);
        group.check(patterned_problem({17, classes, 32}, p, seed), options);
      }
  }
}

// The largest scale at which one fixed shift serves all rows leaves the least room: 2^124 above and
// 2^-124 below, and what is divided by a sum near either end must not overflow.
double largest_scale_without_row_shift(int64_t classes) {
  double low = 1, high = 1000;
  while (high - low > 1e-3) {
    const double middle = (low + high) / 2;
    cosface_margin_softmax_options options = cos_face_options();
    options.scale = middle;
    cosface_margin_softmax_problem shape_only{};
    shape_only.batch = 8;
    shape_only.classes = classes;
    shape_only.dim = 32;
    cosface_margin_softmax_plan plan{};
    EXPECT_EQ(cosface_margin_softmax_make_plan(&shape_only, &options, 1, &plan, nullptr), COSFACE_OK);
    (plan.row_shift ? high : low) = middle;
  }
  return low;
}

TEST(kernel_range, both_sides_of_the_switch_to_row_shifts) {
  accuracy_group group("at the switch");
  for (const int64_t classes : {2, 3, 20, 1000, 5000}) {
    const double last = largest_scale_without_row_shift(classes);
    for (const double scale : {last - 1, last, last + 0.01})
      for (const pattern p : {pattern::all_low, pattern::all_high, pattern::one_hot, pattern::mixed})
        for (const int64_t dim : {2, 9}) {
          cosface_margin_softmax_options options = cos_face_options();
          options.scale = scale;
          group.check(patterned_problem({8, classes, dim}, p, 77), options);
        }
  }
}

TEST(kernel_range, a_million_equal_terms) {
  // The largest sum there is at the largest scale without row shifts: 2^20 terms near 2^104.
  accuracy_group group("C=1000000, all high");
  cosface_margin_softmax_options options = cos_face_options();
  options.scale = largest_scale_without_row_shift(1000000);
  group.check(patterned_problem({2, 1000000, 2}, pattern::all_high, 78), options);
}

TEST(kernel_range, every_scale_without_kept_exponentials) {
  accuracy_group group("recomputed");
  for (const double scale : scales)
    for (const int64_t classes : class_counts) {
      cosface_margin_softmax_options options = cos_face_options();
      options.scale = scale;
      options.workspace_bytes = 0;
      group.check(patterned_problem({17, classes, 32}, pattern::mixed, 3), options);
    }
}

TEST(kernel_range, confident_rows) {
  // 1 - p_y down to e^-115: the textbook p - 1 has no digit left below 1e-7 in float. Every row is
  // confident, so that no large one hides the others in the norm.
  for (const double margin : {0.0, 0.35}) {
    accuracy_group group(margin == 0 ? "confident, m=0" : "confident, m=0.35");
    for (const double scale : {16.0, 30.0, 64.0}) {
      cosface_margin_softmax_options options = cos_face_options();
      options.scale = scale;
      options.m3 = margin;
      for (const int64_t classes : class_counts) {
        // The centres are nearly orthogonal at D = 64 and the samples lie on theirs.
        problem_data data = random_problem({13, classes, 64}, 21);
        for (int64_t i = 0; i < 13; i++)
          for (int64_t d = 0; d < 64; d++)
            data.embedding(i)[d] = data.embedding(i)[d] * 0.01f + data.weight(data.labels[i])[d];
        group.check(data, options);
      }
      // Centres opposite to each other: 1 - p_y = e^(-s (2 - m)).
      problem_data data = random_problem({13, 2, 64}, 22);
      for (int64_t d = 0; d < 64; d++) data.weight(1)[d] = 0.1f * data.weight(1)[d] - data.weight(0)[d];
      for (int64_t i = 0; i < 13; i++)
        for (int64_t d = 0; d < 64; d++)
          data.embedding(i)[d] = data.embedding(i)[d] * 0.02f + data.weight(data.labels[i])[d];
      group.check(data, options);
    }
  }
}

// The result scales as 1 / |row|, so tiny norms give huge gradients and huge ones tiny gradients;
// squares of either are outside float.
TEST(kernel_range, norms) {
  struct norm_pair {
    double embedding, weight;
  };
  for (const norm_pair& norms : std::vector<norm_pair>{{1e-10, 1},
                                                       {1, 1e-10},
                                                       {1e-10, 1e-10},
                                                       {1e18, 1},
                                                       {1, 1e18},
                                                       {1e18, 1e18},
                                                       {1e-10, 1e18},
                                                       {2e-12, 2e-12},
                                                       {1e30, 1e30}}) {
    char name[48];
    std::snprintf(name, sizeof name, "|x|=%g |w|=%g", norms.embedding, norms.weight);
    accuracy_group group(name);
    for (const double scale : {8.0, 64.0, 80.0, 160.0})
      for (const pattern p : {pattern::random, pattern::all_high, pattern::one_hot}) {
        cosface_margin_softmax_options options = cos_face_options();
        options.scale = scale;
        problem_data data = patterned_problem({11, 20, 40}, p, 31);
        for (int64_t i = 0; i < 11; i++) scale_row(data.embedding(i), 40, norms.embedding);
        for (int64_t c = 0; c < 20; c++) scale_row(data.weight(c), 40, norms.weight);
        group.check(data, options);
      }
  }
}

TEST(kernel_range, mixed_norms_in_one_matrix) {
  accuracy_group group("mixed norms");
  seeded_random random(41);
  problem_data data = random_problem({30, 60, 24}, 42);
  for (int64_t i = 0; i < 30; i++) scale_row(data.embedding(i), 24, std::pow(10, random.uniform(-3, 3)));
  for (int64_t c = 0; c < 60; c++) scale_row(data.weight(c), 24, std::pow(10, random.uniform(-3, 3)));
  group.check(data, cos_face_options());
}

TEST(kernel_range, from_a_vanishing_to_the_largest_scale) {
  accuracy_group group("s = 1e-12 .. 1e6");
  for (const double scale : {1e-12, 1e-3, 1e4, 1e5, 1e6})
    for (const int64_t classes : class_counts) {
      cosface_margin_softmax_options options = cos_face_options();
      options.scale = scale;
      group.check(random_problem({9, classes, 16}, 51), options);
    }
}

}  // namespace
}  // namespace cosface::test
