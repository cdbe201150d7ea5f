#include "cpu/score_strip.h"

#include <algorithm>

namespace cosface {
namespace {

// Columns at a time: what the compiler keeps in registers of any width.
constexpr int64_t group = 8;

}  // namespace

void find_peaks(const score_strip& s, float* peak) {
  for (int64_t first = 0; first < s.columns; first += group) {
    float best[group];
    std::copy_n(s.scores + first, group, best);
    for (int64_t r = 1; r < s.rows; r++) {
      const float* scores = s.scores + r * s.columns + first;
      for (int64_t j = 0; j < group; j++) best[j] = scores[j] > best[j] ? scores[j] : best[j];
    }
    std::copy_n(best, group, peak + first);
  }
}

void count_at_least(const score_strip& s, float bound, int32_t* count) {
  for (int64_t first = 0; first < s.columns; first += group) {
    int32_t above[group] = {};
    for (int64_t r = 0; r < s.rows; r++) {
      const float* scores = s.scores + r * s.columns + first;
      for (int64_t j = 0; j < group; j++) above[j] += scores[j] >= bound;
    }
    std::copy_n(above, group, count + first);
  }
}

}  // namespace cosface
