// Shapes and options that every kernel is run through.
#pragma once

#include <iterator>
#include <string>

#include "problem_data.h"

namespace cosface::test {

constexpr int64_t ragged[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127};
constexpr int64_t ragged_count = std::size(ragged);

// A Latin square: every pair (N, C), (N, D) and (C, D) of the 13 sizes occurs in its 169 shapes.
inline std::vector<problem_shape> ragged_shapes(int64_t offset) {
  std::vector<problem_shape> shapes;
  for (int64_t n = 0; n < ragged_count; n++)
    for (int64_t c = 0; c < ragged_count; c++)
      shapes.push_back({ragged[n], ragged[c], ragged[(n + c + offset) % ragged_count]});
  return shapes;
}

struct named_options {
  std::string name;
  cosface_margin_softmax_options options;
};

inline std::vector<named_options> option_family() {
  std::vector<named_options> family;
  const auto add = [&](const std::string& name, double m1, double m2, double m3) -> cosface_margin_softmax_options& {
    cosface_margin_softmax_options o = cos_face_options();
    o.m1 = m1;
    o.m2 = m2;
    o.m3 = m3;
    family.push_back({name, o});
    return family.back().options;
  };
  add("norm_face", 1, 0, 0);
  add("arc_face", 1, 0.5, 0).reduction = COSFACE_REDUCTION_SUM;
  add("arc_face_detached", 1, 0.5, 0).gradient = COSFACE_GRADIENT_DETACHED;
  add("sphere_face_4", 4, 0, 0);
  add("sphere_face_1.7", 1.7, 0, 0).scale = 30;
  add("combined", 0.9, 0.4, 0.15).scale = 16;
  return family;
}

struct whole_problem {
  problem_data data;
  cosface_margin_softmax_options options;
};

// Weights, ignored labels, upstream gradients, all three margins and one of them per sample.
inline whole_problem problem_with_everything_on(const problem_shape& shape, uint64_t seed) {
  cosface_margin_softmax_options options = cos_face_options();
  options.m1 = 0.9;
  options.m2 = 0.4;
  options.m3 = 0.15;
  options.ignore_label = 3;  // a class of its own in most shapes: then its samples are ignored
  options.reduction = COSFACE_REDUCTION_NONE;
  problem_data data = random_problem(shape, seed++);
  add_sample_weights(data, seed);
  add_ignored_labels(data, 3, seed + 1);
  add_loss_gradient(data, seed + 2);
  const interval ranges[] = {{0.5, 4}, {-1, 2}, {-1, 1.5}};
  const int64_t term = static_cast<int64_t>(seed) % 3;
  data.sample_margin_term = static_cast<cosface_margin_term>(COSFACE_MARGIN_M1 + term);
  add_sample_margins(data, ranges[term], seed + 3);
  return {data, options};
}

}  // namespace cosface::test
