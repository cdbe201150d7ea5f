// What one instruction set offers to the driver. Every ISA file fills the same table; the driver
// (margin_softmax.cc) owns loops, blocking and memory and never sees an intrinsic.
//
// Buffers handed to the products are padded: a tile always has `tile_columns` (NR) columns, so no
// kernel here masks a column. Row counts are ragged: 1 .. tile_rows (MR).
#pragma once

#include <cstdint>

#include "cosface/margin_softmax.h"

namespace cosface {

// C[r, 0..NR) (+)= sum_k A(r, k) B[k, 0..NR)   for r < rows <= MR
struct tile_product {
  int64_t rows;
  int64_t depth;
  const float* a;  // rows form: A(r, k) = a[r * lda + k]; columns form: A(r, k) = a[k * lda + r]
  int64_t lda;
  const float* b;
  int64_t ldb;
  float* c;
  int64_t ldc;
  bool accumulate;                 // add to C instead of overwriting it
  const char* prefetch = nullptr;  // one cache line is brought towards the core at every step of the depth
  int64_t prefetch_step = 0;       // bytes between them
};

// A strip of NR samples (columns) by a block of classes (rows).
struct logit_strip {
  int64_t classes;
  float* logits;  // [classes, ld] base-2 logits s log2(e) cos_ic
  int64_t ld;
  int32_t first_class;
  float* best;          // [NR] in and out: the largest logit so far
  int32_t* best_class;  // [NR] its lowest class
};

struct cpu_kernels {
  cosface_isa isa;
  int32_t tile_rows;     // MR
  int32_t tile_columns;  // NR

  void (*multiply_rows)(const tile_product&);
  void (*multiply_columns)(const tile_product&);

  // Updates best and best_class only.
  void (*maxima)(const logit_strip&);
  // Also replaces each logit z by 2^(z + shift) and writes the column sums. shift [NR] holds whole
  // numbers; sum [NR] is overwritten. Terms below 2^-125 become 0.
  void (*exponentials)(const logit_strip&, const float* shift, float* sum);

  // Row arithmetic in double: norms, targets and projections are worth it and cost O(ND + CD).
  double (*squared_norm)(const float* row, int64_t n);
  double (*dot)(const double* a, const float* b, int64_t n);
  // out = row * factor, rounded once
  void (*scale)(float* out, const float* row, double factor, int64_t n);
  // sum += row * factor
  void (*add_scaled)(double* sum, const float* row, double factor, int64_t n);
  // out (+)= (sum - along * row) * factor, rounded once
  void (*project)(float* out, const double* sum, const float* row, double along, double factor, int64_t n,
                  bool accumulate);
};

extern const cpu_kernels scalar_kernels;
#if defined(__x86_64__) || defined(_M_X64)
extern const cpu_kernels avx2_kernels;
extern const cpu_kernels avx512_kernels;
#endif

}  // namespace cosface
