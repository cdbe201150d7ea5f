// The kernels of kernels.h, written once over a vector type. Each ISA file sets its target, defines
// `struct vector` and includes this; everything here has internal linkage, so that no copy compiled
// for one ISA can be linked in for another.
//
//   vector::width       floats in a vector; a tile has two vectors a row, NR = 2 width
//   vector::tile_rows   MR; MR * 2 accumulators + 2 operands + 1 broadcast fit the registers
//   zero, load, store, stream (past the caches, aligned) and fence, broadcast, fma(a, b, c) = a * b + c, add, exp2,
//   subtract, multiply, divide, larger, select_greater(a, b, x, y) = a > b ? x : y
//   split(x, exponent, significand): x = 2^exponent significand, significand in [sqrt(1/2), sqrt(2)], for normal x > 0
//   keep_where(index, i, x, y) = index == i ? x : y
//   take_greater, index dot_pairs(a, b, c) = a.low b.low + a.high b.high + c where the processor multiplies bf16, else
//   low_half, high_half: the bf16 values of each word as fp32
//   pair_along(a, b), pair_across(low, high): with dot_pairs, bf16 words of values that follow each other,
//   and of values side by side
//   only_fp32           where it is declared, there are no products of bf16 words
//   vector::wide        doubles: width, zero, load (from float or double), store, broadcast, fma, add, sum
//
// Products  One pass over the depth; accumulators live in registers; no tails (buffers are padded).
//           Error: depth * 2^-24 relative to sum |a b| at worst; the driver splits long depths.
// exp2      See each ISA. Relative error <= 2^-22.5 for results >= 2^-125, 0 below.
// Sums      One fp32 running sum a column over at most one class block (<= 240 terms, all positive:
//           relative error <= 240 * 2^-24 at worst); blocks are added in double by the driver.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

#include "cpu/kernels/kernels.h"

#if defined(__GNUC__)
#define COSFACE_INLINE inline __attribute__((always_inline))
// Unrolled early, so that the accumulators become registers: gcc 12 otherwise stores them at every step.
#define COSFACE_UNROLL _Pragma("GCC unroll 16")
// Into L2: what the caller will want next.
#define COSFACE_PREFETCH(address) __builtin_prefetch(address, 0, 2)
// Into L1.
#define COSFACE_PREFETCH_NEAR(address) __builtin_prefetch(address, 0, 3)
#else
#define COSFACE_INLINE __forceinline
#define COSFACE_UNROLL
#define COSFACE_PREFETCH(address) (void)(address)
#define COSFACE_PREFETCH_NEAR(address) (void)(address)
#endif

namespace cosface {
namespace {

constexpr int64_t tile_columns = 2 * vector::width;
static_assert(tile_columns <= largest_tile_columns);

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

struct fp32_words {
  static constexpr int values = 1, halves = 1;
  template <int half>
  static COSFACE_INLINE typename vector::type part(typename vector::type word) {
    return word;
  }
  static COSFACE_INLINE typename vector::type multiply_add(typename vector::type a, typename vector::type b,
                                                           typename vector::type c) {
    return vector::fma(a, b, c);
  }
};

template <class vector_type>
concept multiplies_pairs = requires(typename vector_type::type v) { vector_type::dot_pairs(v, v, v); };

// Written over the type, so that a vector without dot_pairs compiles.
template <class vector_type>
struct bf16_pairs {
  using type = typename vector_type::type;
  static constexpr int values = 2, halves = multiplies_pairs<vector_type> ? 1 : 2;
  template <int half>
  static COSFACE_INLINE type part(type word) {
    if constexpr (multiplies_pairs<vector_type>)
      return word;
    else
      return half == 0 ? vector_type::low_half(word) : vector_type::high_half(word);
  }
  static COSFACE_INLINE type multiply_add(type a, type b, type c) {
    if constexpr (multiplies_pairs<vector_type>)
      return vector_type::dot_pairs(a, b, c);
    else
      return vector_type::fma(a, b, c);
  }
};

template <class words, int rows, bool by_rows>
struct tile_sums {
  static constexpr int groups = (rows + 3) / 4;
  typename vector::type sum[rows][2];

  template <int half>
  COSFACE_INLINE void add(const float* const (&a)[groups], const row_strides& strides, int64_t k, const float* b) {
    const typename vector::type b0 = words::template part<half>(vector::load(b));
    const typename vector::type b1 = words::template part<half>(vector::load(b + vector::width));
    COSFACE_UNROLL
    for (int r = 0; r < rows; r++) {
      const float* element = by_rows ? a[r / 4] + strides.offset(r % 4) + k : a[0] + r;
      const typename vector::type broadcast = words::template part<half>(vector::broadcast(element));
      sum[r][0] = words::multiply_add(broadcast, b0, sum[r][0]);
      sum[r][1] = words::multiply_add(broadcast, b1, sum[r][1]);
    }
  }

  COSFACE_INLINE void step(const float* const (&a)[groups], const row_strides& strides, int64_t k, const float* b) {
    add<0>(a, strides, k, b);
    if constexpr (words::halves == 2) add<1>(a, strides, k, b);
  }
};

template <class words, int rows, bool by_rows>
void multiply_tile(const tile_product& p) {
  using sums = tile_sums<words, rows, by_rows>;
  sums tile;
  COSFACE_UNROLL
  for (int r = 0; r < rows; r++) tile.sum[r][0] = tile.sum[r][1] = vector::zero();
  if (p.accumulate) {
    COSFACE_UNROLL
    for (int r = 0; r < rows; r++) {
      COSFACE_PREFETCH_NEAR(p.c + r * p.ldc);
      COSFACE_PREFETCH_NEAR(p.c + r * p.ldc + vector::width);
    }
  }
  const float* a[sums::groups];
  row_strides strides(p.lda);
  COSFACE_UNROLL
  for (int g = 0; g < sums::groups; g++) a[g] = p.a + (by_rows ? 4 * g * p.lda : 0);
  const float* b = p.b;
  const bool prefetches = p.prefetch < p.prefetch_end;
  const char* ahead = prefetches ? p.prefetch : reinterpret_cast<const char*>(p.b);
  const int64_t ahead_step = prefetches ? cache_line : 0;
  const int64_t ldb = p.ldb;
  constexpr int unroll = 4;
  int64_t k = 0;
  for (; k + unroll <= p.depth; k += unroll) {
    strides.hide();
    COSFACE_UNROLL
    for (int u = 0; u < unroll; u++) {
      tile.step(a, strides, by_rows ? u : 0, b);
      if (!by_rows) {
        COSFACE_PREFETCH_NEAR(a[0] + rows + 16);  // the line of the next tile
        a[0] += strides.one;
      }
      b += ldb;
      COSFACE_PREFETCH(ahead);
      ahead += ahead_step;
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

template <class words, bool by_rows>
struct tiles_by_height {
  using function = void (*)(const tile_product&);

  template <int... below>
  static constexpr std::array<function, sizeof...(below)> table(std::integer_sequence<int, below...>) {
    return {multiply_tile<words, below + 1, by_rows>...};
  }
  static constexpr auto of = table(std::make_integer_sequence<int, vector::tile_rows>());
};

template <class words, bool by_rows>
void multiply(const tile_product& p) {
  const int64_t tiles = (p.rows + vector::tile_rows - 1) / vector::tile_rows;
  const int64_t height = p.rows / tiles, taller = p.rows % tiles;
  tile_product tile = p;
  for (int64_t t = 0; t < tiles; t++) {
    tile.rows = height + (t < taller);
    tiles_by_height<words, by_rows>::of[tile.rows - 1](tile);
    tile.a += by_rows ? tile.rows * p.lda : tile.rows;
    tile.c += tile.rows * p.ldc;
    if (tile.prefetch < tile.prefetch_end) tile.prefetch += p.depth * cache_line;
  }
}

// Maxima and, if asked for, exponentials and their sums, in one sweep over the strip.
template <bool exponentials_too, bool factors_too>
COSFACE_INLINE void sweep(const logit_strip& s, const float* shift, float* sum, const exponential_target& target) {
  using type = typename vector::type;
  constexpr int width = vector::width;
  type best0 = vector::load(s.best), best1 = vector::load(s.best + width);
  typename vector::index class0 = vector::load_index(s.best_class), class1 = vector::load_index(s.best_class + width);
  type shift0 = vector::zero(), shift1 = vector::zero(), sum0 = vector::zero(), sum1 = vector::zero();
  if constexpr (exponentials_too) shift0 = vector::load(shift), shift1 = vector::load(shift + width);
  for (int64_t c = 0; c < s.classes; c++) {
    const float* z = s.logits + c * s.ld;
    const typename vector::index here = vector::broadcast_index(s.first_class + static_cast<int32_t>(c));
    type z0 = vector::load(z), z1 = vector::load(z + width), high = vector::zero();
    if constexpr (factors_too) {
      high = vector::broadcast(&s.factors[c].high);
      const type low = vector::broadcast(&s.factors[c].low);
      z0 = vector::fma(z0, high, vector::fma(z0, low, vector::zero()));
      z1 = vector::fma(z1, high, vector::fma(z1, low, vector::zero()));
    }
    vector::take_greater(z0, here, best0, class0);
    vector::take_greater(z1, here, best1, class1);
    if constexpr (exponentials_too) {
      type e0 = vector::exp2(vector::add(z0, shift0)), e1 = vector::exp2(vector::add(z1, shift1));
      sum0 = vector::add(sum0, e0);
      sum1 = vector::add(sum1, e1);
      if constexpr (factors_too) {
        e0 = vector::fma(e0, high, vector::zero());
        e1 = vector::fma(e1, high, vector::zero());
      }
      if (target.near != nullptr) {
        vector::store(target.near + c * target.near_ld, e0);
        vector::store(target.near + c * target.near_ld + width, e1);
      }
      if (target.far != nullptr) {
        vector::stream(target.far + c * target.far_ld, e0);
        vector::stream(target.far + c * target.far_ld + width, e1);
      }
    }
  }
  vector::store(s.best, best0);
  vector::store(s.best + width, best1);
  vector::store_index(s.best_class, class0);
  vector::store_index(s.best_class + width, class1);
  if constexpr (exponentials_too) vector::store(sum, sum0), vector::store(sum + width, sum1);
}

void maxima(const logit_strip& s) {
  s.factors ? sweep<false, true>(s, nullptr, nullptr, {}) : sweep<false, false>(s, nullptr, nullptr, {});
}

void exponentials(const logit_strip& s, const float* shift, float* sum, const exponential_target& target) {
  s.factors ? sweep<true, true>(s, shift, sum, target) : sweep<true, false>(s, shift, sum, target);
}

}  // namespace
}  // namespace cosface

#include "cpu/kernels/negative_sweep.h"

namespace cosface {
namespace {

// The bits of the nearest bf16 in the upper half; finite values only.
COSFACE_INLINE uint32_t round_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return bits + 0x7fff + (bits >> 16 & 1);
}
COSFACE_INLINE float pair_bf16(float low, float high) {
  return std::bit_cast<float>(round_bf16(low) >> 16 | (round_bf16(high) & 0xffff0000u));
}

// The processor's own rounding where it has one (subnormals become 0), else as above. Written over the
// type, as bf16_pairs.
template <class v>
COSFACE_INLINE typename v::type pair_vectors_along(const float* values) {
  if constexpr (multiplies_pairs<v>) return v::pair_along(v::load(values), v::load(values + v::width));
  float words[v::width];
  for (int k = 0; k < v::width; k++) words[k] = pair_bf16(values[2 * k], values[2 * k + 1]);
  return v::load(words);
}

template <class v>
COSFACE_INLINE typename v::type pair_vectors_across(const float* low, const float* high) {
  if constexpr (multiplies_pairs<v>) return v::pair_across(v::load(low), v::load(high));
  float words[v::width];
  for (int k = 0; k < v::width; k++) words[k] = pair_bf16(low[k], high[k]);
  return v::load(words);
}

[[maybe_unused]] void pair_along(float* words, const float* row, int64_t n) {
  int64_t k = 0;
  for (; k + 2 * vector::width <= n; k += 2 * vector::width)
    vector::store(words + k / 2, pair_vectors_along<vector>(row + k));
  for (int64_t word = k / 2; word < n / 2; word++) words[word] = pair_bf16(row[2 * word], row[2 * word + 1]);
  if (n % 2 == 1) words[n / 2] = pair_bf16(row[n - 1], 0);
}

[[maybe_unused]] void pair_across(float* words, const float* low, const float* high, int64_t n) {
  int64_t k = 0;
  for (; k + vector::width <= n; k += vector::width)
    vector::store(words + k, pair_vectors_across<vector>(low + k, high + k));
  for (; k < n; k++) words[k] = pair_bf16(low[k], high[k]);
}

[[maybe_unused]] void round_strip(const float* strip, int64_t classes, int64_t ld, const rounded_target& target) {
  static constexpr float none[tile_columns] = {};
  for (int64_t c = 0; c < classes; c++) {
    const float* row = strip + c * ld;
    if (target.along != nullptr) {
      const typename vector::type words = pair_vectors_along<vector>(row);
      float* out = target.along + c * target.along_ld;
      target.far ? vector::stream(out, words) : vector::store(out, words);
    }
    if (target.across == nullptr || c % 2 == 1) continue;
    const float* next = c + 1 < classes ? row + ld : none;
    float* out = target.across + c / 2 * target.across_ld;
    vector::store(out, pair_vectors_across<vector>(row, next));
    vector::store(out + vector::width, pair_vectors_across<vector>(row + vector::width, next + vector::width));
  }
}

// The factor as the sum of two floats, so that fp32 arithmetic rounds the result once. Outside this
// range one of them would be subnormal.
constexpr double least_split_factor = 0x1p-60, largest_split_factor = 0x1p60;

void scale(float* out, const float* row, double factor, int64_t n) {
  const double size = std::abs(factor);
  int64_t k = 0;
  if (size > least_split_factor && size < largest_split_factor) {
    const float high = static_cast<float>(factor), low = static_cast<float>(factor - high);
    const typename vector::type high_factor = vector::broadcast(&high), low_factor = vector::broadcast(&low);
    for (; k + vector::width <= n; k += vector::width) {
      const typename vector::type v = vector::load(row + k);
      vector::store(out + k, vector::fma(v, high_factor, vector::fma(v, low_factor, vector::zero())));
    }
  }
  for (; k < n; k++) out[k] = static_cast<float>(row[k] * factor);
}

using wide = typename vector::wide;
using wide_type = typename wide::type;

// Four running sums hide the latency of the additions; their order depends on n alone.
constexpr int running_sums = 4;

COSFACE_INLINE double add_up(const wide_type (&sum)[running_sums]) {
  return wide::sum(wide::add(wide::add(sum[0], sum[1]), wide::add(sum[2], sum[3])));
}

COSFACE_INLINE double add_up(const typename vector::type (&sum)[running_sums]) {
  float lanes[vector::width];
  vector::store(lanes, vector::add(vector::add(sum[0], sum[1]), vector::add(sum[2], sum[3])));
  wide_type whole = wide::load(lanes);
  for (int j = wide::width; j < vector::width; j += wide::width) whole = wide::add(whole, wide::load(lanes + j));
  return wide::sum(whole);
}

template <class left, class right>
COSFACE_INLINE double dot_rows(const left* a, const right* b, int64_t n) {
  wide_type sum[running_sums] = {wide::zero(), wide::zero(), wide::zero(), wide::zero()};
  int64_t k = 0;
  for (; k + running_sums * wide::width <= n; k += running_sums * wide::width) {
    COSFACE_UNROLL
    for (int j = 0; j < running_sums; j++)
      sum[j] = wide::fma(wide::load(a + k + j * wide::width), wide::load(b + k + j * wide::width), sum[j]);
  }
  double rest = 0;
  for (; k < n; k++) rest += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return add_up(sum) + rest;
}

double squared_norm(const float* row, int64_t n) { return dot_rows(row, row, n); }
double squared_length(const double* row, int64_t n) { return dot_rows(row, row, n); }
double dot(const double* a, const float* b, int64_t n) { return dot_rows(a, b, n); }

// fp32 lanes over stretches so short that a lane adds at most eight terms; stretches in double.
row_measure measure(const float* sum, const float* row, int64_t n) {
  using type = typename vector::type;
  constexpr int width = vector::width;
  constexpr int64_t stretch = 8 * running_sums * width;
  row_measure m{};
  int64_t k = 0;
  while (k + running_sums * width <= n) {
    type squares[running_sums] = {vector::zero(), vector::zero(), vector::zero(), vector::zero()};
    type products[running_sums] = {vector::zero(), vector::zero(), vector::zero(), vector::zero()};
    for (const int64_t end = k + stretch; k + running_sums * width <= n && k < end; k += running_sums * width) {
      COSFACE_UNROLL
      for (int j = 0; j < running_sums; j++) {
        const type v = vector::load(sum + k + j * width);
        squares[j] = vector::fma(v, v, squares[j]);
        products[j] = vector::fma(v, vector::load(row + k + j * width), products[j]);
      }
    }
    m.squared_length += add_up(squares);
    m.along += add_up(products);
  }
  for (; k < n; k++) {
    m.squared_length += static_cast<double>(sum[k]) * sum[k];
    m.along += static_cast<double>(sum[k]) * row[k];
  }
  return m;
}

void add_scaled(double* sum, const float* row, double factor, int64_t n) {
  const wide_type wide_factor = wide::broadcast(factor);
  int64_t k = 0;
  for (; k + wide::width <= n; k += wide::width)
    wide::store(sum + k, wide::fma(wide::load(row + k), wide_factor, wide::load(sum + k)));
  for (; k < n; k++) sum[k] += row[k] * factor;
}

void project(float* out, const double* sum, const float* row, double along, double factor, int64_t n, bool accumulate) {
  if (accumulate)
    for (int64_t k = 0; k < n; k++) out[k] += static_cast<float>((sum[k] - along * row[k]) * factor);
  else
    for (int64_t k = 0; k < n; k++) out[k] = static_cast<float>((sum[k] - along * row[k]) * factor);
}

void project_fp32(float* out, const float* sum, const float* row, double along, double factor, int64_t n,
                  bool accumulate) {
  const float backwards = static_cast<float>(-along), single = static_cast<float>(factor);
  const typename vector::type along_row = vector::broadcast(&backwards), by = vector::broadcast(&single);
  int64_t k = 0;
  for (; k + vector::width <= n; k += vector::width) {
    const typename vector::type across = vector::fma(along_row, vector::load(row + k), vector::load(sum + k));
    vector::store(out + k, vector::fma(across, by, accumulate ? vector::load(out + k) : vector::zero()));
  }
  for (; k < n; k++) out[k] = (sum[k] + backwards * row[k]) * single + (accumulate ? out[k] : 0);
}

template <class words>
constexpr product_kernels make_product_kernels() {
  return {words::values, multiply<words, true>, multiply<words, false>};
}

struct bf16_kernels {
  product_kernels products{};
  decltype(cpu_kernels::pair_along) along = nullptr;
  decltype(cpu_kernels::pair_across) across = nullptr;
  decltype(cpu_kernels::round_strip) strip = nullptr;
};

template <class v>
constexpr bf16_kernels make_bf16_kernels() {
  if constexpr (requires { v::only_fp32; })
    return {};
  else
    return {make_product_kernels<bf16_pairs<v>>(), pair_along, pair_across, round_strip};
}

constexpr cpu_kernels make_kernels(cosface_isa isa) {
  constexpr bf16_kernels bf16 = make_bf16_kernels<vector>();
  return {isa,           vector::tile_rows,
          tile_columns,  make_product_kernels<fp32_words>(),
          bf16.products, maxima,
          exponentials,  negative_terms,
          keep_nearest,  vector::fence,
          bf16.along,    bf16.across,
          bf16.strip,    scale,
          squared_norm,  squared_length,
          dot,           measure,
          add_scaled,    project,
          project_fp32};
}

}  // namespace
}  // namespace cosface
