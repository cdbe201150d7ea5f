#include "cpu/exact_cosine.h"

#include <algorithm>
#include <cmath>

#include "cosface/margin_softmax.h"

namespace cosface {

double exact_dot(const float* a, const float* b, int64_t dim) {
  // So many running sums that the compiler may use vectors without reordering anything.
  constexpr int64_t sums = 8;
  double sum[sums] = {};
  int64_t d = 0;
  for (; d + sums <= dim; d += sums)
    for (int64_t j = 0; j < sums; j++) sum[j] += static_cast<double>(a[d + j]) * static_cast<double>(b[d + j]);
  for (int64_t j = 0; d + j < dim; j++) sum[j] += static_cast<double>(a[d + j]) * static_cast<double>(b[d + j]);
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

bool counts_as_zero(double squared_norm) { return std::sqrt(squared_norm) < COSFACE_ZERO_NORM; }

double exact_cosine(double dot, double squared_a, double squared_b) {
  if (counts_as_zero(squared_a) || counts_as_zero(squared_b)) return 0;
  return std::clamp(dot / std::sqrt(squared_a * squared_b), -1.0, 1.0);
}

double filter_error(int64_t dim, int64_t depth) {
  const double sums = std::ceil(static_cast<double>(dim) / static_cast<double>(depth));
  const double roundings = static_cast<double>(std::min(dim, depth)) + sums + 4;
  const double single = roundings * 0x1p-24;
  const double in_double = static_cast<double>(dim + 8) * 0x1p-53;
  return single / (1 - single) + in_double + 0x1p-100;
}

}  // namespace cosface
