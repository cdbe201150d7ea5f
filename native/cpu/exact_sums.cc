// Where a projection cancels most of an fp32 sum, its rounding shows, and the sum is formed again in
// double. Rare: in few dimensions, or where samples and centres have collapsed onto a line.
#include <algorithm>
#include <cmath>

#include "cpu/job.h"

namespace cosface {
namespace {

constexpr double largest_shortening = 4;

}  // namespace

// Whether the component of a sum across a row is so much shorter than what was summed in fp32 that the
// rounding of that matters.
bool job::shortened(double squared_length, double squared_sum, double along, double squared_row) const {
  const double across = squared_sum - along * along / squared_row;
  return squared_length > largest_shortening * largest_shortening * across;
}

void job::sum_negatives_of_row_exactly(int64_t i, double* unit_row, double* sum) const {
  const row_state& row = rows()[i];
  const double shift = at<float>(layout_.shift)[i];
  load_unit_row(row, unit_row);
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t c = 0; c < shape_.classes; c++) {
    const double length = norm(c);
    if (length < COSFACE_ZERO_NORM || (c == row.label && !row.ignored)) continue;
    const double e = std::exp2(base2_scale_ * (k_.dot(unit_row, weight(c), p_.dim) / length) + shift);
    k_.add_scaled(sum, weight(c), e * row.negative_factor / length, p_.dim);
  }
}

void job::sum_negatives_of_class_exactly(int64_t c, double* unit_class, double* sum) const {
  std::fill_n(unit_class, p_.dim, 0.0);
  k_.add_scaled(unit_class, weight(c), 1 / norm(c), p_.dim);
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t i = 0; i < block_.count; i++) {
    const row_state& row = rows()[i];
    if (row.ignored || row.label == c) continue;
    const double cosine = k_.dot(unit_class, embedding(row), p_.dim) * row.inverse_norm;
    const double e = std::exp2(base2_scale_ * cosine + at<float>(layout_.shift)[i]);
    k_.add_scaled(sum, embedding(row), e * row.negative_factor * row.inverse_norm, p_.dim);
  }
}

}  // namespace cosface
