// How a call is cut into passes, blocks and tasks, and where its memory lies.
//
// A row block of Nb rows goes through four phases:
//   rows     norms, packed x, target cosines                                  task: NR rows
//   pass 1   logits, exponentials, their sums, unnormalised dx                task: row group x class slab
//   finish   losses, dx through the normalisation, packed x for pass 2        task: NR rows
//   pass 2   dw, each block of classes written by one worker                  task: a few class blocks
// Every cut follows from shape, options and budget; none from the number of threads.
#pragma once

#include <cstdint>
#include <string>

#include "cosface/margin_softmax.h"
#include "cpu/kernels/kernels.h"

namespace cosface {

// What the plan depends on.
struct call_shape {
  int64_t batch, classes, dim;
  bool gradients;
  bool filter;  // the gradient filter is on
  cosface_precision precision;
  bool sampled = false;  // classes are a subset: S of them, wherever they lie in w
  bool updates = false;  // w moves in pass 2, so all rows are one row block
  // Beyond margins on unit rows; `classes` are then the rows of w, C K.
  int64_t sub_centers = 1;  // a class's rows stay in one block
  bool ruled = false;       // negatives go through a negative_rule
  bool binary = false;      // the form
  bool smoothed = false;    // label smoothing
  bool unbounded = false;   // the options alone do not bound the logits
  bool bias = false;        // one for each class
};

// The base-2 logits of negatives, where the options bound them, and the largest slope of their curve.
struct logit_range {
  double low, high, slope;
};

logit_range logit_range_of(const cosface_margin_softmax_options& options);

const product_kernels& logit_products(const call_shape& shape, const cpu_kernels& kernels);
const product_kernels& gradient_products(const call_shape& shape, const cpu_kernels& kernels);

// Byte offsets into the workspace, and strides in elements. Words are those of kernels.h.
struct workspace_layout {
  int64_t padded_dim;      // D rounded up to NR
  int64_t padded_rows;     // Nb rounded up to NR
  int64_t slabs;           // class slabs of pass 1
  int64_t exponential_ld;  // stride of the kept exponentials [C][.]
  int64_t weight_ld;       // stride of a packed class block [class_block][.]
  int64_t pair_ld;         // stride of its bf16 form for dx [class_block / 2][.]
  int64_t columns_ld;      // stride of a worker's exponentials for dx [words of class_block][.]
  int64_t unit_ld;         // stride of pass 1's dx
  int64_t product_ld;      // stride of a block of dw

  // shared
  int64_t labels;            // int32 [N], the checked copy, as positions among the classes that take part
  int64_t class_ids;         // int32 [C] where sampled, the checked copy
  int64_t rows;              // row_state [padded_rows]
  int64_t label_order;       // int32 [padded_rows], rows sorted by label
  int64_t shift;             // float [padded_rows]
  int64_t sums;              // double [slabs][padded_rows], the negatives' exponentials
  int64_t best;              // float [slabs][padded_rows]
  int64_t best_class;        // int32 [slabs][padded_rows]
  int64_t corrected;         // float [slabs][padded_rows], the best's exponential from double, or none
  int64_t kept_panels;       // uint8 [class blocks][padded_rows / NR], what the gradient filter keeps
  int64_t zeros;             // float [padded_dim], the partner of an odd last class
  int64_t peak;              // as best, of the logits that negatives have; where there is no rule, best itself
  int64_t peak_class;        // as best_class
  int64_t slopes;            // float [slabs][padded_rows], of the curve where an exponential was corrected
  int64_t sigmoids;          // binary form: double [slabs][padded_rows], the sums of the negatives' sigmoids
  int64_t thresholds;        // float [padded_rows], above which a negative is hard
  int64_t circle_margins;    // float [padded_rows]
  int64_t row_factors;       // double [padded_rows], what an exponential is worth in d_bias
  int64_t class_sums;        // label smoothing: double [slabs][D], the sum of the rows of w
  int64_t batch_sum;         // label smoothing: double [D], the sum of the rows of x by their factors
  int64_t batch_sum_fp32;    // float [padded_dim]
  int64_t norms;             // double [C] where kept
  int64_t norms_known;       // std::atomic<bool> [class blocks] where kept
  int64_t logit_operand;     // [padded_rows / NR][words of D][NR]: s log2(e) x^, features down
  int64_t gradient_operand;  // [padded_dim / NR][words of Nb][NR]: x^ times each row's factor, samples down
  int64_t d_unit;            // float [slabs][padded_rows][unit_ld]: pass 1's dx, unnormalised
  int64_t exponentials;      // [C][exponential_ld] where kept

  // one per worker, at workers + worker * worker_bytes
  int64_t workers;
  int64_t worker_bytes;
  int64_t worker_weights;       // [class_block][weight_ld]: w^, zero-padded
  int64_t worker_factors;       // weight_factor [class_block]
  int64_t worker_weight_pairs;  // bf16 gradients: [class_block / 2][pair_ld], two classes a word
  int64_t worker_strip;         // float [class_block][NR]: logits
  int64_t worker_columns;       // [words of class_block][columns_ld]: exponentials for dx
  int64_t worker_rows;          // [class_block][exponential_ld]: those for dw, where not kept
  int64_t worker_norms;         // double [class_block]
  int64_t worker_bias;          // float [class_block], base 2
  int64_t worker_product;       // float [turn_classes][product_ld]: dw before projection
  int64_t worker_gradient;      // float [D] where w moves: dw of one class
  int64_t worker_scaled;        // float [2][padded_dim]
  int64_t worker_rounded;       // words of D
  int64_t worker_row;           // double [D]
  int64_t worker_unit_row;      // double [D]

  int64_t bytes;
};

cosface_margin_softmax_plan choose_plan(const call_shape& shape, const cosface_margin_softmax_options& options,
                                        const cpu_kernels& kernels, int32_t threads);

workspace_layout lay_out(const call_shape& shape, const cosface_margin_softmax_plan& plan, const cpu_kernels& kernels);

// s log2(e): the largest base-2 logit of plain cosines.
double logit_bound(double scale);

// The whole-number shift of every row's base-2 logits where no row maximum is needed: the largest
// b <= 0 with which C terms of 2^(logit_bound + b) stay below 2^124.
double fixed_shift(double scale, int64_t classes);
// The same with `high` in the place of logit_bound.
double shift_below(double high, int64_t classes);

// For people: what was chosen and why.
std::string describe_plan(const call_shape& shape, const cosface_margin_softmax_plan& plan, int64_t budget);

}  // namespace cosface
