// The cosine that search ranks and counts by. The product of two floats is exact in double and the order of the sums is
// one for all, so it has the same bits on every instruction set.
#pragma once

#include <cstdint>

namespace cosface {

double exact_dot(const float* a, const float* b, int64_t dim);

// dot / sqrt(|a|^2 |b|^2), clamped to [-1, 1]; 0 where a row counts as zero. With one root over the product
// a row's cosine with itself is exactly 1, and in one dimension every cosine is exactly 1, 0 or -1.
double exact_cosine(double dot, double squared_a, double squared_b);

bool counts_as_zero(double squared_norm);

// Bounds |fp32 cosine - exact_cosine| where the operands are unit rows rounded to fp32 and every sum of `depth`
// products is formed in fp32 in any order, then added to the sum before it. Derived in docs/math.md, "Search".
double filter_error(int64_t dim, int64_t depth);

}  // namespace cosface
