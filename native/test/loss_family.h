// Every loss of the family as options and data, for the reference and the kernels alike. Formulas: docs/losses.md.
#pragma once

#include <string>
#include <vector>

#include "problem_data.h"
#include "reference/target_formula.h"

namespace cosface::test {

struct family_member {
  std::string name;
  cosface_margin_softmax_options options = cos_face_options();
  bool bias = false;
  std::vector<cosface_margin_term> own_margins = {};  // per sample
  bool differences = true;                            // its gradient is that of its value
};

struct family_problem {
  problem_data data;
  std::vector<float> own[3];  // m1, m2, m3 of each sample, or empty
  int64_t sub_centers = 1;

  cosface_margin_softmax_problem view() const {
    cosface_margin_softmax_problem problem = data.view();
    const float** const margins[] = {&problem.sample_m1, &problem.sample_m2, &problem.sample_m3};
    for (int k = 0; k < 3; k++)
      if (!own[k].empty()) *margins[k] = own[k].data();
    return problem;
  }
};

// Embeddings near the rows of w, K of them for each class. Rows whose length takes part have |w| about 1 and |x| up to
// about 30, as in training.
inline family_problem problem_of(const family_member& member, const problem_shape& shape, uint64_t seed) {
  const cosface_margin_softmax_options& o = member.options;
  const int64_t centres = shape.classes * o.sub_centers;
  family_problem problem{random_problem({shape.batch, centres, shape.dim}, seed), {}, o.sub_centers};
  problem_data& data = problem.data;
  data.shape.classes = shape.classes;
  for (int32_t& label : data.labels) label /= static_cast<int32_t>(o.sub_centers);
  seeded_random random(seed + 77);
  if (!o.normalize_weights)
    for (int64_t c = 0; c < centres; c++) scale_row(data.weight(c), shape.dim, random.uniform(0.5, 1.5));
  if (!o.normalize_embeddings)
    for (int64_t i = 0; i < shape.batch; i++) scale_row(data.embedding(i), shape.dim, random.uniform(1, 30));
  if (member.bias) data.bias.resize(o.form == COSFACE_FORM_BINARY ? 1 : shape.classes);
  for (float& b : data.bias) b = static_cast<float>(random.uniform(-2, 2));
  const interval ranges[] = {{0.5, 4}, {-0.3, 0.8}, {-0.2, 0.6}};
  for (const cosface_margin_term term : member.own_margins) {
    std::vector<float>& own = problem.own[term - COSFACE_MARGIN_M1];
    own.resize(shape.batch);
    for (float& m : own) m = static_cast<float>(random.uniform(ranges[term - 1].low, ranges[term - 1].high));
  }
  return problem;
}

inline std::vector<family_member> loss_family() {
  std::vector<family_member> family;
  const auto add = [&](const std::string& name, double scale, const margins& m) -> family_member& {
    family_member member{name};
    member.options.scale = scale;
    member.options.m1 = m.m1;
    member.options.m2 = m.m2;
    member.options.m3 = m.m3;
    family.push_back(member);
    return family.back();
  };
  const auto lengths = [](family_member& member, bool embeddings, bool weights) -> family_member& {
    member.options.normalize_embeddings = embeddings;
    member.options.normalize_weights = weights;
    return member;
  };
  const margins none{1, 0, 0}, cosine{1, 0, 0.35}, angle{1, 0.5, 0};
  lengths(add("softmax", 1, none), false, false);
  lengths(add("softmax, bias", 1, none), false, false).bias = true;
  {
    family_member& m = lengths(add("softmax, bias, smoothed", 1, none), false, false);
    m.bias = true;
    m.options.label_smoothing = 0.1;
  }
  lengths(add("l_softmax", 1, {3, 0, 0}), false, false).options.annealing = 0.5;
  lengths(add("a_softmax", 1, {4, 0, 0}), false, true).options.annealing = 5;
  lengths(add("free centres", 8, cosine), true, false);
  lengths(add("cos_face, free features", 1, cosine), false, true);
  add("sphere_face, annealed", 30, {4, 0, 0}).options.annealing = 5;
  add("norm_face", 64, none);
  add("cos_face", 64, cosine);
  add("cos_face, smoothed", 64, cosine).options.label_smoothing = 0.1;
  add("cos_face, bias", 64, cosine).bias = true;
  add("cos_face, filtered", 64, cosine).options.interclass_filter = 0.3;
  add("arc_face", 64, angle);
  add("arc_face, none", 64, angle).options.fallback = COSFACE_FALLBACK_NONE;
  add("arc_face, easy", 64, angle).options.fallback = COSFACE_FALLBACK_EASY;
  add("arc_face, hard", 64, angle).options.fallback = COSFACE_FALLBACK_HARD;
  {
    family_member& m = add("arc_face, detached", 64, angle);
    m.options.gradient = COSFACE_GRADIENT_DETACHED;
    m.differences = false;
  }
  add("ada_face", 64, none).own_margins = {COSFACE_MARGIN_M2, COSFACE_MARGIN_M3};
  add("all margins", 16, none).own_margins = {COSFACE_MARGIN_M1, COSFACE_MARGIN_M2, COSFACE_MARGIN_M3};
  {
    family_member& m = add("curricular_face", 64, angle);
    m.options.negatives = COSFACE_NEGATIVES_CURRICULAR;
    m.options.negatives_t = 0.3;
  }
  {
    family_member& m = add("mv_softmax, arc", 64, angle);
    m.options.negatives = COSFACE_NEGATIVES_MV_ARC;
    m.options.negatives_t = 0.2;
  }
  {
    family_member& m = add("mv_softmax, am", 32, cosine);
    m.options.negatives = COSFACE_NEGATIVES_MV_AM;
    m.options.negatives_t = 0.2;
    m.options.interclass_filter = 0.7;
  }
  add("sub_center", 64, angle).options.sub_centers = 3;
  {
    family_member& m = add("sub_center, bias", 32, cosine);
    m.options.sub_centers = 2;
    m.bias = true;
  }
  for (const bool exact : {false, true}) {
    family_member& m = add(exact ? "circle, exact" : "circle", 64, {1, 0, 0.25});
    m.options.curve = COSFACE_CURVE_CIRCLE;
    m.options.gradient = exact ? COSFACE_GRADIENT_EXACT : COSFACE_GRADIENT_DETACHED;
    m.differences = exact;
  }
  for (const double exponent : {3.0, 2.5}) {
    family_member& m = add(exponent == 3 ? "sphere_face2" : "sphere_face2, 2.5", 40, {1, 0, 0.4});
    m.options.curve = COSFACE_CURVE_POWER;
    m.options.curve_exponent = exponent;
    m.options.form = COSFACE_FORM_BINARY;
    m.options.positive_weight = 0.7 / 40;
    m.options.negative_weight = 0.3 / 40;
    m.options.negative_margin = 0.4;
    m.bias = true;
  }
  {
    family_member& m = add("uni_face", 64, {1, 0, 0.4});
    m.options.form = COSFACE_FORM_BINARY;
    m.options.bias_sign = -1;
    m.bias = true;
  }
  {
    family_member& m = add("power softmax", 32, {1, 0, 0.2});
    m.options.curve = COSFACE_CURVE_POWER;
    m.options.curve_exponent = 2;
  }
  return family;
}

}  // namespace cosface::test
