// Problems whose logits are all low, all high, one-hot: where exponentials, sums or factors leave float's range if the
// shift or the order of scaling is wrong.
#pragma once

#include "problem_data.h"

namespace cosface::test {

enum class pattern {
  random,
  all_low,
  all_high,
  one_hot,
  opposed,
  mixed
};

inline const char* name_of(pattern p) {
  switch (p) {
    case pattern::random: return "random";
    case pattern::all_low: return "all low";
    case pattern::all_high: return "all high";
    case pattern::one_hot: return "one-hot";
    case pattern::opposed: return "opposed";
    case pattern::mixed: return "mixed";
  }
  return "";
}

// How far sample i is pulled along the common direction u of all classes, and towards its own class.
struct pull {
  double common, own;
};

inline pull pull_of(pattern p, int64_t i) {
  switch (p) {
    case pattern::random: return {0, 0.5};
    case pattern::all_low: return {-8, 0};  // every cosine near -1
    case pattern::all_high: return {8, 0};  // every cosine near 1
    case pattern::one_hot: return {-4, 8};  // the target near 1, the rest below
    case pattern::opposed: return {4, -8};  // the target near -1, the rest above
    case pattern::mixed: return {i % 2 ? 8.0 : -8.0, i % 3 ? 0.0 : 8.0};
  }
  return {0, 0};
}

inline problem_data patterned_problem(const problem_shape& shape, pattern p, uint64_t seed) {
  seeded_random random(seed);
  problem_data data = random_problem(shape, seed);
  const bool common_centre = p == pattern::all_low || p == pattern::all_high || p == pattern::mixed;
  std::vector<float> u = normal_matrix(random, shape.dim);
  if (common_centre)
    for (int64_t c = 0; c < shape.classes; c++)
      for (int64_t d = 0; d < shape.dim; d++) data.weight(c)[d] = 8 * u[d] + data.weight(c)[d];
  for (int64_t i = 0; i < shape.batch; i++) {
    const pull along = pull_of(p, i);
    const float* own = data.weight(data.labels[i]);
    for (int64_t d = 0; d < shape.dim; d++)
      data.embedding(i)[d] =
          static_cast<float>(random.normal() + (common_centre ? along.common * u[d] : 0) + along.own * own[d]);
  }
  return data;
}

}  // namespace cosface::test
