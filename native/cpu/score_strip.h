// Sweeps over a strip of scores [rows, columns]. Plain loops for the baseline of the target, all instruction sets
// alike: at D = 512 a strip's product takes a hundred times as long, and strips lie in L1.
#pragma once

#include <cstdint>

namespace cosface {

struct score_strip {
  int64_t rows;     // at least 1
  int64_t columns;  // NR, a multiple of 8
  const float* scores;
};

// The largest score of each column, peak [columns].
void find_peaks(const score_strip& strip, float* peak);

// How many scores of each column are at least `bound`, count [columns].
void count_at_least(const score_strip& strip, float bound, int32_t* count);

}  // namespace cosface
