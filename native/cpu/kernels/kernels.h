// What one instruction set offers to the driver. Every ISA file fills the same table; the driver owns
// loops, blocking and memory and never sees an intrinsic.
//
// A word is 32 bits in a float's place: one fp32 value or, in bf16 products, two values that are
// neighbours along the depth of the product, the first in the low half. Strides and depths count words.
//
// Buffers handed to the products are padded: a tile always has `tile_columns` (NR) columns, so no
// kernel here masks a column. Rows are cut into tiles of nearly equal height, at most tile_rows (MR).
#pragma once

#include <cstdint>

#include "cosface/margin_softmax.h"
#include "cpu/kernels/negative_rule.h"

namespace cosface {

// C[r, 0..NR) (+)= sum_k A(r, k) B[k, 0..NR)   for r < rows; C in fp32
struct tile_product {
  int64_t rows;
  int64_t depth;
  const float* a;  // rows form: A(r, k) = a[r * lda + k]; columns form: A(r, k) = a[k * lda + r]
  int64_t lda;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  bool accumulate;  // add to C instead of overwriting it
  // Brought into L2 along the way, a cache line a step of the depth, as far as the steps reach.
  const char *prefetch = nullptr, *prefetch_end = nullptr;
};

constexpr int64_t cache_line = 64;
// No kernel has a wider tile: a strip's sums and maxima find room in arrays of this length.
constexpr int64_t largest_tile_columns = 64;

struct product_kernels {
  int64_t values_per_word;  // 1 for fp32, 2 for bf16
  void (*multiply_rows)(const tile_product&);
  void (*multiply_columns)(const tile_product&);

  int64_t words(int64_t values) const { return (values + values_per_word - 1) / values_per_word; }
};

// 1 / |w_c|, as the sum of two floats, so that fp32 arithmetic rounds a product with it once.
struct weight_factor {
  float high, low;
};

// A strip of NR samples (columns) by a block of classes (rows).
struct logit_strip {
  int64_t classes;
  const float* logits;  // [classes, ld] base-2 logits s log2(e) cos_ic, times |w_c| where there are factors
  int64_t ld;
  const weight_factor* factors;  // [classes], or null where w was normalised
  int32_t first_class;
  float* best;          // [NR] in and out: the largest logit so far
  int32_t* best_class;  // [NR] its lowest class
  // With a negative_rule, the same of the logits that it makes of the scores.
  float* peak = nullptr;
  int32_t* peak_class = nullptr;
};

// Where a strip of exponentials goes; null: nowhere.
struct exponential_target {
  float* near;  // [classes, near_ld], to be read at once; may be the logits themselves
  int64_t near_ld;
  float* far;  // [classes, far_ld], past the caches, aligned as vectors are
  int64_t far_ld;
};

// Where a strip goes in bf16; null: nowhere.
struct rounded_target {
  float* along;  // [classes, along_ld], two samples a word; past the caches where far
  int64_t along_ld;
  bool far;
  float* across;  // [classes / 2, across_ld], two classes a word
  int64_t across_ld;
};

// Of a row that was summed in fp32, against the vector it is to be projected along.
struct row_measure {
  double squared_length, along;  // sum . sum, sum . row
};

struct cpu_kernels {
  cosface_isa isa;
  int32_t tile_rows;     // MR
  int32_t tile_columns;  // NR
  product_kernels fp32, bf16;

  // Updates best and best_class only.
  void (*maxima)(const logit_strip&);
  // Also writes 2^(z + shift) of each logit z, times its factor where there are factors, and the column
  // sums of the 2^(z + shift). shift [NR] holds whole numbers; sum [NR] is overwritten. Terms below 2^-125
  // become 0.
  void (*exponentials)(const logit_strip&, const float* shift, float* sum, const exponential_target&);
  // The same with a rule for the negatives, whose largest logit it notes beside the largest score. What it writes is
  // the weight of each negative in the gradient by its score: 2^(z + shift) or the sigmoid, times the slope of the
  // curve. The binary form takes any shift.
  void (*negative_terms)(const logit_strip&, const negative_rule&, const float* shift, const strip_sums&,
                         const exponential_target&);
  // Sub-centres: takes all but the largest of `together` neighbours, times their factors, out of the softmax.
  void (*keep_nearest)(float* scores, int64_t classes, int64_t ld, const weight_factor* factors, int64_t together);
  // Before another thread may read what went past the caches.
  void (*fence)();

  // Rounding to bf16, to nearest even. words[k] = (row[2k], row[2k + 1]); an odd end gets a partner 0.
  void (*pair_along)(float* words, const float* row, int64_t n);
  // words[k] = (low[k], high[k])
  void (*pair_across)(float* words, const float* low, const float* high, int64_t n);

  void (*round_strip)(const float* strip, int64_t classes, int64_t ld, const rounded_target&);

  // out = row * factor, rounded once but for a few parts in 2^48
  void (*scale)(float* out, const float* row, double factor, int64_t n);

  // Row arithmetic in double: norms, targets and projections are worth it and cost O(ND + CD).
  double (*squared_norm)(const float* row, int64_t n);
  double (*squared_length)(const double* row, int64_t n);
  double (*dot)(const double* a, const float* b, int64_t n);
  row_measure (*measure)(const float* sum, const float* row, int64_t n);
  // sum += row * factor
  void (*add_scaled)(double* sum, const float* row, double factor, int64_t n);
  // out (+)= (sum - along * row) * factor: in double, rounded once; and in fp32, two roundings of each term
  void (*project)(float* out, const double* sum, const float* row, double along, double factor, int64_t n,
                  bool accumulate);
  void (*project_fp32)(float* out, const float* sum, const float* row, double along, double factor, int64_t n,
                       bool accumulate);
};

extern const cpu_kernels scalar_kernels;
#if defined(__wasm_simd128__)
extern const cpu_kernels wasm_simd_kernels;
#elif defined(__x86_64__) || defined(_M_X64)
extern const cpu_kernels avx2_kernels;
extern const cpu_kernels avx512_kernels;
extern const cpu_kernels avx512_bf16_kernels;
#elif defined(__aarch64__) || defined(_M_ARM64)
extern const cpu_kernels neon_kernels;
#endif

}  // namespace cosface
