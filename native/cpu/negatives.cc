// What the family makes of negatives: the rule that the kernels get, and the same in double for the few that are formed
// again.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "cpu/job.h"
#include "reference/negative_logit.h"

namespace cosface {
namespace {

negative_curve curve_of(const cosface_margin_softmax_options& o) {
  if (o.curve == COSFACE_CURVE_CIRCLE) return negative_curve::circle;
  if (o.curve == COSFACE_CURVE_POWER) return negative_curve::power;
  if (o.negatives == COSFACE_NEGATIVES_PLAIN) return negative_curve::line;
  return o.negatives == COSFACE_NEGATIVES_CURRICULAR ? negative_curve::hard_square : negative_curve::hard_line;
}

}  // namespace

negative_rule job::rule_of(int32_t worker, int64_t row) const {
  constexpr float off = std::numeric_limits<float>::infinity();
  return {.curve = curve_of(o_),
          .binary = binary(),
          .scale = static_cast<float>(base2_scale_),
          .filter = filters_classes(o_) ? static_cast<float>(base2_scale_ * o_.interclass_filter) : off,
          .t = static_cast<float>(o_.negatives_t),
          .exponent = static_cast<float>(o_.curve_exponent),
          .exact = o_.gradient == COSFACE_GRADIENT_EXACT,
          .bias = shape_.bias ? of_worker<float>(worker, layout_.worker_bias) : nullptr,
          .threshold = at<float>(layout_.thresholds) + row,
          .margin = at<float>(layout_.circle_margins) + row};
}

// Lanes without a row have scores of 0, and what they make of them must be finite.
void job::write_rule_rows() {
  float* threshold = at<float>(layout_.thresholds);
  float* margin = at<float>(layout_.circle_margins);
  std::fill_n(threshold, layout_.padded_rows, std::numeric_limits<float>::infinity());
  std::fill_n(margin, layout_.padded_rows, 0.0f);
  for (int64_t i = 0; i < block_.count; i++) {
    threshold[i] = static_cast<float>(base2_scale_ * rows()[i].threshold);
    margin[i] = static_cast<float>(rows()[i].m3);
  }
}

void job::load_bias(int32_t worker, class_range classes) const {
  float* values = of_worker<float>(worker, layout_.worker_bias);
  for (int64_t c = 0; c < classes.count; c++) values[c] = static_cast<float>(bias(classes.first + c));
}

// What pass 1 had for the largest negative of entry k = slab * padded_rows + row, but for the slope.
exact_negative job::seen_negative(int64_t k, int64_t i, double slope) const {
  return term_of(static_cast<double>(at<float>(layout_.peak)[k]) + at<float>(layout_.shift)[i], slope);
}

exact_negative job::exact_negative_of(int64_t i, double score, int64_t c) const {
  const negative_logit logit = negative_logit_of(score, {rows()[i].threshold, rows()[i].m3}, o_);
  if (!logit.counts) return {0, 0, 0, 0};
  return term_of(base2_scale_ * logit.value + bias(c) + at<float>(layout_.shift)[i], logit.slope);
}

exact_negative job::term_of(double logit, double slope) const {
  if (!binary()) {
    const double e = std::exp2(logit);
    return {e, e * slope, 0, slope};
  }
  const double tail = std::exp2(-std::abs(logit));
  const double sigmoid = (logit > 0 ? 1 : tail) / (1 + tail);
  return {std::max(logit, 0.0) + std::log1p(tail) * std::numbers::log2e, sigmoid * slope, sigmoid, slope};
}

// Of the rows of w [first, first + K) the one with the largest score, the first on a tie.
int64_t job::nearest_of(const row_state& row, const double* unit_row, int64_t first, double& best) const {
  int64_t nearest = first;
  best = score(row, unit_row, first);
  for (int64_t c = first + 1; c < first + o_.sub_centers; c++) {
    const double here = score(row, unit_row, c);
    if (here > best) best = here, nearest = c;
  }
  return nearest;
}

}  // namespace cosface
