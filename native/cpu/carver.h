// Arithmetic of memory layouts.
#pragma once

#include <cstdint>

namespace cosface {

inline int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }
inline int64_t ceil_div(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }

struct carver {
  int64_t offset = 0;

  // 64-byte aligned, as vectors and cache lines want it.
  int64_t take(int64_t count, int64_t size) {
    const int64_t start = offset;
    offset += round_up(count * size, 64);
    return start;
  }
};

}  // namespace cosface
