// The kernels of kernels.h, written once over a vector type. Each ISA file sets its target, defines
// `struct vector` and includes this; everything here has internal linkage, so that no copy compiled
// for one ISA can be linked in for another.
//
//   vector::width                      floats in a vector; a tile has two vectors a row, NR = 2 width
//   vector::tile_rows                  MR; MR * 2 accumulators + 2 operands + 1 broadcast fit the registers
//   zero, load, store, broadcast, fma(a, b, c) = a * b + c, add, exp2, take_greater
//
// Products  One pass over the depth; accumulators live in registers; no tails (buffers are padded).
//           Error: depth * 2^-24 relative to sum |a b| at worst; the driver splits long depths.
// exp2      See each ISA. Relative error <= 2^-22.5 for results >= 2^-125, 0 below.
// Sums      One fp32 running sum a column over at most one class block (<= 120 terms, all positive:
//           relative error <= 120 * 2^-24 at worst); blocks are added in double by the driver.
#pragma once

#include <cstdint>

#include "cpu/kernels/kernels.h"

#if defined(__GNUC__)
#define COSFACE_INLINE inline __attribute__((always_inline))
// Unrolled early, so that the accumulators become registers: gcc 12 otherwise stores them at every step.
#define COSFACE_UNROLL _Pragma("GCC unroll 16")
// Into L2: what the caller will want next.
#define COSFACE_PREFETCH(address) __builtin_prefetch(address, 0, 2)
#else
#define COSFACE_INLINE __forceinline
#define COSFACE_UNROLL
#define COSFACE_PREFETCH(address) (void)(address)
#endif

namespace cosface {
namespace {

constexpr int64_t tile_columns = 2 * vector::width;

// Addresses of up to four rows from one base and the stride. Hidden from the optimiser, which would
// otherwise keep a pointer a row and spill them.
struct row_strides {
  int64_t one, three;

  explicit row_strides(int64_t stride) : one(stride), three(3 * stride) {}
  COSFACE_INLINE void hide() {
#if defined(__GNUC__)
    __asm__("" : "+r"(one), "+r"(three));
#endif
  }
  COSFACE_INLINE int64_t offset(int row) const { return row == 0 ? 0 : row == 1 ? one : row == 2 ? 2 * one : three; }
};

template <int rows, bool by_rows>
struct tile_sums {
  static constexpr int groups = (rows + 3) / 4;
  typename vector::type sum[rows][2];

  COSFACE_INLINE void step(const float* const (&a)[groups], const row_strides& strides, int64_t k, const float* b) {
    const typename vector::type b0 = vector::load(b), b1 = vector::load(b + vector::width);
    COSFACE_UNROLL
    for (int r = 0; r < rows; r++) {
      const float* element = by_rows ? a[r / 4] + strides.offset(r % 4) + k : a[0] + r;
      const typename vector::type broadcast = vector::broadcast(element);
      sum[r][0] = vector::fma(broadcast, b0, sum[r][0]);
      sum[r][1] = vector::fma(broadcast, b1, sum[r][1]);
    }
  }
};

template <int rows, bool by_rows>
void multiply_tile(const tile_product& p) {
  using sums = tile_sums<rows, by_rows>;
  sums tile;
  COSFACE_UNROLL
  for (int r = 0; r < rows; r++) tile.sum[r][0] = tile.sum[r][1] = vector::zero();
  const float* a[sums::groups];
  row_strides strides(p.lda);
  COSFACE_UNROLL
  for (int g = 0; g < sums::groups; g++) a[g] = p.a + (by_rows ? 4 * g * p.lda : 0);
  const float* b = p.b;
  const char* ahead = p.prefetch;
  const int64_t ldb = p.ldb;
  constexpr int unroll = 4;
  int64_t k = 0;
  for (; k + unroll <= p.depth; k += unroll) {
    strides.hide();
    COSFACE_UNROLL
    for (int u = 0; u < unroll; u++) {
      tile.step(a, strides, by_rows ? u : 0, b);
      if (!by_rows) a[0] += strides.one;
      b += ldb;
      COSFACE_PREFETCH(ahead);
      ahead += p.prefetch_step;
    }
    if (by_rows) {
      COSFACE_UNROLL
      for (int g = 0; g < sums::groups; g++) a[g] += unroll;
    }
  }
  for (; k < p.depth; k++) {
    strides.hide();
    tile.step(a, strides, 0, b);
    b += ldb;
    COSFACE_UNROLL
    for (int g = 0; g < sums::groups; g++) a[g] += by_rows ? 1 : strides.one;
  }
  COSFACE_UNROLL
  for (int r = 0; r < rows; r++) {
    float* c = p.c + r * p.ldc;
    if (p.accumulate) {
      tile.sum[r][0] = vector::add(tile.sum[r][0], vector::load(c));
      tile.sum[r][1] = vector::add(tile.sum[r][1], vector::load(c + vector::width));
    }
    vector::store(c, tile.sum[r][0]);
    vector::store(c + vector::width, tile.sum[r][1]);
  }
}

template <bool by_rows, int rows = vector::tile_rows>
void multiply(const tile_product& p) {
  if constexpr (rows > 1) {
    if (p.rows < rows) return multiply<by_rows, rows - 1>(p);
  }
  multiply_tile<rows, by_rows>(p);
}

COSFACE_INLINE void strip_maxima(const logit_strip& s) {
  typename vector::type best0 = vector::load(s.best), best1 = vector::load(s.best + vector::width);
  typename vector::index class0 = vector::load_index(s.best_class);
  typename vector::index class1 = vector::load_index(s.best_class + vector::width);
  for (int64_t c = 0; c < s.classes; c++) {
    const float* z = s.logits + c * s.ld;
    const typename vector::index here = vector::broadcast_index(s.first_class + static_cast<int32_t>(c));
    vector::take_greater(vector::load(z), here, best0, class0);
    vector::take_greater(vector::load(z + vector::width), here, best1, class1);
  }
  vector::store(s.best, best0);
  vector::store(s.best + vector::width, best1);
  vector::store_index(s.best_class, class0);
  vector::store_index(s.best_class + vector::width, class1);
}

void maxima(const logit_strip& s) { strip_maxima(s); }

void exponentials(const logit_strip& s, const float* shift, float* sum) {
  strip_maxima(s);
  const typename vector::type shift0 = vector::load(shift), shift1 = vector::load(shift + vector::width);
  typename vector::type sum0 = vector::zero(), sum1 = vector::zero();
  for (int64_t c = 0; c < s.classes; c++) {
    float* z = s.logits + c * s.ld;
    const typename vector::type e0 = vector::exp2(vector::add(vector::load(z), shift0));
    const typename vector::type e1 = vector::exp2(vector::add(vector::load(z + vector::width), shift1));
    sum0 = vector::add(sum0, e0);
    sum1 = vector::add(sum1, e1);
    vector::store(z, e0);
    vector::store(z + vector::width, e1);
  }
  vector::store(sum, sum0);
  vector::store(sum + vector::width, sum1);
}

// Eight running sums, so that the compiler may use vectors without reordering anything.
constexpr int64_t lanes = 8;

double add_lanes(const double (&sum)[lanes]) {
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

template <class left>
double dot_rows(const left* a, const float* b, int64_t n) {
  double sum[lanes] = {};
  int64_t k = 0;
  for (; k + lanes <= n; k += lanes)
    for (int64_t j = 0; j < lanes; j++) sum[j] += static_cast<double>(a[k + j]) * static_cast<double>(b[k + j]);
  for (; k < n; k++) sum[k % lanes] += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return add_lanes(sum);
}

double squared_norm(const float* row, int64_t n) { return dot_rows(row, row, n); }
double dot(const double* a, const float* b, int64_t n) { return dot_rows(a, b, n); }

void scale(float* out, const float* row, double factor, int64_t n) {
  for (int64_t k = 0; k < n; k++) out[k] = static_cast<float>(row[k] * factor);
}

void add_scaled(double* sum, const float* row, double factor, int64_t n) {
  for (int64_t k = 0; k < n; k++) sum[k] += row[k] * factor;
}

void project(float* out, const double* sum, const float* row, double along, double factor, int64_t n, bool accumulate) {
  if (accumulate)
    for (int64_t k = 0; k < n; k++) out[k] += static_cast<float>((sum[k] - along * row[k]) * factor);
  else
    for (int64_t k = 0; k < n; k++) out[k] = static_cast<float>((sum[k] - along * row[k]) * factor);
}

constexpr cpu_kernels make_kernels(cosface_isa isa) {
  return {isa,          vector::tile_rows, tile_columns, multiply<true>, multiply<false>, maxima,
          exponentials, squared_norm,      dot,          scale,          add_scaled,      project};
}

}  // namespace
}  // namespace cosface
