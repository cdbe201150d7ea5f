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
  load_unit_row(row, unit_row);
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t first = 0; first < shape_.classes; first += o_.sub_centers) {
    if (class_of(first) == row.label && !row.ignored) continue;
    double score = 0;
    const int64_t c = nearest_of(row, unit_row, first, score);
    const double weight_of = exact_negative_of(i, score, c).weight * row.negative_factor;
    k_.add_scaled(sum, weight(c), weight_of * class_factor(norm(c)), p_.dim);
  }
}

void job::sum_negatives_of_class_exactly(int64_t c, double* unit_row, double* sum) const {
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t i = 0; i < block_.count; i++) {
    const row_state& row = rows()[i];
    if (row.ignored || row.label == class_of(c)) continue;
    load_unit_row(row, unit_row);
    double score = 0;
    if (nearest_of(row, unit_row, class_of(c) * o_.sub_centers, score) != c) continue;
    const double weight_of = exact_negative_of(i, score, c).weight * row.negative_factor;
    k_.add_scaled(sum, embedding(row), weight_of * row_factor(row), p_.dim);
  }
}

}  // namespace cosface
