// The parameters of every kernel: one struct each, passed by value, the same for host and device.
//
// Words: a chunk is a run of classes whose unit vectors (and, where kept, exponentials) are in device memory at a time.
// "Padded" sizes are whole tiles; what lies beyond the real size is zero. Logits are in base 2: s log2(e) cos.
// Exponentials of a row are 2^(logit + shift) with a whole-number shift. Derivation: docs/math.md.
#pragma once

#include <cstdint>

namespace cosface::cuda {

// What the passes know of one sample. In double: docs/math.md, section 6.
struct sample_state {
  double inverse_norm;     // 1 / |x|, 0 for a zero row
  double target_cosine;    // 0 where ignored
  double target_logit;     // margin and scale applied, without the shift
  double target_slope;     // d margined cosine / d cosine
  double weight;           // of the sample's loss, 0 where ignored
  double upstream;         // dL / d(unweighted loss)
  double weighted_loss;    // 0 where ignored
  double shift;            // of S, the sum of the negatives' exponentials
  double negative_factor;  // upstream s (1 - p_y) / S
  double target_factor;    // -upstream s (1 - p_y) slope
};

// Sums over a part of the classes, of one sample.
struct row_partial {
  double sum;          // of the negatives' exponentials at `shift`
  float shift;         //
  float best;          // largest logit of a negative, no_logit where there is none
  int32_t best_class;  // the lowest class that has it, -1 where there is none
  int32_t unused;
};

// What pass 2 on tensor cores needs of a sample: sign 2^(logit + exponent) is a negative's part of dw.
struct row_factor {
  float exponent;
  float sign;           // 0: the sample has no gradient
  int32_t label;        // -1 where ignored
  int32_t exact_class;  // the class whose logit was found again in double, -1: none
  float exact_logit;    // that logit
};

// Starts as bytes 0xff: none.
struct first_faults {
  uint32_t label, sample_weight, sample_margin, loss_gradient;  // index of the sample
  uint32_t embedding, weight;  // the row; its first bad element is for the host to find
};

// Starts as zeros.
struct step_report {
  double reduced_loss;
  uint32_t counted, zero_embeddings, zero_weights;
  uint32_t largest_upstream;  // bits of the largest |weight x loss gradient|, a float
  uint32_t largest_pull;      // pull_bias + the exponent of a power of two above every |upstream| (1 - p_y); 0: none
};

constexpr int pull_bias = 1 << 16;

// A logit that must not count.
constexpr float no_logit = -1e30f;

struct matrix_rows {
  const float* data;   // [.., dim]
  const int32_t* ids;  // row r is row ids[r] of data; null: row r
};

struct count_samples_params {
  const int32_t* labels;
  const float *sample_weights, *sample_margins, *loss_gradient;  // may be null
  int64_t batch, classes;
  int32_t ignore_label;
  float least_margin, largest_margin;  // of a sample
  int32_t margin_above_least;          // 1: least_margin itself is outside
  first_faults* faults;
  step_report* report;
};

struct prepare_rows_params {
  const float* embeddings;
  matrix_rows weights;
  const int32_t* labels;
  const float *sample_weights, *sample_margins, *loss_gradient;
  int64_t batch, padded_batch, classes, dim, padded_dim;
  double m1, m2, m3, base2_scale;
  int32_t ignore_label, margin_term, gradient, mean, half_operands;
  float shift;            // of every row, where one serves all
  void* units;            // [padded_batch, padded_dim] float: base2_scale x^; half: x^
  sample_state* samples;  // [batch]
  int32_t* targets;       // [padded_batch] label, -1 where ignored
  float* shifts;          // [padded_batch]
  float* target_seen;     // [padded_batch] set to no_logit
  first_faults* faults;
  step_report* report;
};

struct prepare_classes_params {
  matrix_rows weights;
  int64_t first, count, padded_count, dim, padded_dim;
  int32_t half_operands, counts_zeros;
  void* units;  // [padded_count, padded_dim] w^, float or half
  first_faults* faults;
  step_report* report;
};

struct order_labels_params {
  const int32_t* targets;
  int64_t batch;
  int32_t* order;           // [batch] samples by label, then by index
  int32_t* ordered_labels;  // [batch]
};

enum class logit_aim : int32_t {
  row_maxima,
  exponentials
};

struct logits_fp32_params {
  const float *class_units, *row_units;
  const int32_t* targets;
  const float* shifts;
  int64_t first, count, padded_batch, padded_dim, depth;  // depth: D rounded up to a whole step of the product
  logit_aim aim;
  float* exponentials;           // [padded_count, padded_batch]; null: not wanted
  float *tile_sums, *tile_best;  // [class tiles, padded_batch]
  int32_t* tile_best_class;
  float* target_seen;
};

struct fold_tiles_params {
  const float *tile_sums, *tile_best;
  const int32_t* tile_best_class;
  int64_t tiles, padded_batch;
  logit_aim aim;
  int32_t first_chunk, last_chunk;
  float* shifts;          // read; written after the last chunk of row_maxima
  row_partial* partials;  // [padded_batch]
};

struct dx_fp32_params {
  const float *exponentials, *class_units;
  int64_t padded_batch, padded_dim, padded_count, classes_per_part;
  int32_t accumulate;
  float* parts;  // [parts, padded_batch, padded_dim]
};

struct finish_rows_params {
  const float* embeddings;
  matrix_rows weights;
  const int32_t* targets;
  const float* target_seen;
  const row_partial* partials;  // [sum_parts, padded_batch]
  const float* parts;           // [dx_parts, padded_batch, padded_dim]; null: no gradients
  int64_t batch, padded_batch, dim, padded_dim, sum_parts, dx_parts;
  double scale, base2_scale;
  int32_t mean;
  sample_state* samples;
  step_report* report;
  float *loss, *target_cosine, *d_embeddings;  // any may be null
  int32_t* prediction;                         // may be null
  float* scaled_rows;                          // fp32: [padded_batch, padded_dim] the operand of pass 2; else null
  row_factor* factors;                         // tensor cores: [padded_batch]; else null
  int32_t* corrected_class;                    // fp32: [batch], -1: none
  float* corrected;                            // fp32: [batch] the exponential from double
  int32_t* redo;                               // fp32: [batch] 1: the row's sum is to be formed in double; else null
};

struct redo_rows_params {
  const float* embeddings;
  matrix_rows weights;
  const int32_t* targets;
  const int32_t* redo;
  const sample_state* samples;
  int64_t batch, classes, dim;
  double base2_scale;
  float* d_embeddings;
};

struct patch_exponentials_params {
  const int32_t* corrected_class;
  const float* corrected;
  int64_t batch, padded_batch, first, count;
  float* exponentials;
};

struct dw_fp32_params {
  const float *exponentials, *scaled_rows;
  int64_t padded_batch, padded_dim, count, dim;
  float* d_weights;  // [count, dim] of the chunk, before unit, targets and projection
};

struct finish_classes_params {
  const float* embeddings;
  matrix_rows weights;
  const sample_state* samples;
  const int32_t *order, *ordered_labels;
  const step_report* report;
  int64_t batch, first, count, dim;
  double scale;
  int32_t mean, half_products;
  float* d_weights;  // [count, dim] of the chunk
  int32_t* redo;     // [count] fp32: 1: the class's sum is to be formed in double; else null
};

struct redo_classes_params {
  const float* embeddings;
  matrix_rows weights;
  const int32_t *targets, *redo;
  const sample_state* samples;
  int64_t batch, first, count, dim;
  double base2_scale;
  float* d_weights;  // [count, dim] of the chunk
};

struct add_losses_params {
  const sample_state* samples;
  int64_t batch;
  int32_t mean;
  step_report* report;
};

struct pass_1_params {
  const void *row_units, *class_units;  // half
  const int32_t* targets;
  int64_t batch, padded_batch, first, count;  // classes of the chunk
  int64_t classes_per_part;                   // whole tiles
  float base2_scale;
  int32_t gradients, first_chunk;
  row_partial* partials;  // [parts, padded_batch]
  float* parts;           // [parts, padded_batch, D]
  float* target_seen;
  void* kept;          // half [padded_batch, kept_stride] e of the chunk; null: not kept
  float* kept_shifts;  // [class tiles, padded_batch]
  int64_t kept_stride;
};

struct pass_2_params {
  const void *row_units, *class_units;  // half
  const row_factor* factors;
  const step_report* report;
  int64_t batch, padded_batch, first, count;
  float base2_scale, log2_scale;
  const void* kept;  // as pass 1 left it; null: e is formed again
  const float* kept_shifts;
  int64_t kept_stride;
  float* d_weights;  // [count, D] of the chunk
};

struct sgd_update_params {
  float *weights, *velocity;  // [.., dim]; velocity null: no momentum
  const float* gradient;      // [rows, dim]
  const int32_t* ids;         // row r of the gradient is for row ids[r] of the others; null: row r
  int64_t rows, dim;
  float learning_rate, momentum, weight_decay;
};

}  // namespace cosface::cuda
