// The parameters of every kernel: one struct each, passed by value, the same for host and device.
//
// Words: a class's rows of w are its sub-centers, K of them, one where there are no others; "rows" of w below are
// these. A chunk is a run of classes whose unit vectors (and, where kept, exponentials) are in device memory at a time.
// "Padded" sizes are whole tiles; what lies beyond the real size is zero. Logits are in base 2: s log2(e) cos.
// Exponentials of a row are 2^(logit + shift) with a whole-number shift. Derivation: docs/math.md.
#pragma once

#include <cstdint>

#include "cosface/margin_softmax.h"

namespace cosface::cuda {

// What the passes know of one sample. In double: docs/math.md, section 6.
struct sample_state {
  double inverse_norm;         // 1 / |x|, 0 for a zero row
  double factor;               // of x, as the products see it: 1 / |x|, or 1 where x is not normalised
  double length;               // |x| where it is not normalised, else 1
  double target_cosine;        // 0 where ignored
  double target_logit;         // margin, scale and bias applied, without the shift
  double target_value;         // the margined cosine
  double target_slope;         // its derivative by the cosine
  double target_length;        // what is not normalised away of |x| |w_y|
  double by_m1, by_m2, by_m3;  // of the margined cosine, by each margin
  double m3;                   // the margin in force
  double weight;               // of the sample's loss, 0 where ignored
  double per_loss;             // dL / d(weighted loss)
  double upstream;             // dL / d(unweighted loss)
  double weighted_loss;        // 0 where ignored
  double shift;                // of S, the sum of the negatives' exponentials
  double negative_factor;      // upstream s (1 - p_y) / S; of the binary form upstream s times the negatives' weight
  double target_factor;        // upstream s d loss / d z_y slope
  double smoothed;             // -upstream s times the part of the target that label smoothing gives each class
  double along;                // upstream s d loss / d z_y (M - cos slope): what lengths that are kept add
  double d_bias;               // binary form: of the one bias
  int32_t target_row;          // of w: the nearest of its class's; -1 where ignored
  int32_t unused;
};

// Sums over a part of the classes, of one sample.
struct row_partial {
  double sum;          // of the negatives' exponentials at `shift`
  float shift;         //
  float best;          // largest logit of a negative, no_logit where there is none
  int32_t best_class;  // the lowest class that has it, -1 where there is none
  int32_t unused;
};

// The same where V bends the scores, or lengths are kept, or there is a bias, or no softmax (bend_scores.cuh).
struct bent_partial {
  double sum;          // of the negatives' exponentials at the row's shift; binary form: of their losses
  double slopes;       // binary form: of their derivatives
  float best;          // largest logit of a negative without V, no_logit where there is none
  int32_t best_class;  // the lowest class that has it, -1 where there is none
  float top;           // largest logit of one that counts
  float top_slope;     // dV / dv there
  int32_t top_row;     // its row of w, -1 where there is none
  float shift;         // of the sum
};

// Of one sample's logits, without s.
struct bias_terms {
  double of_negatives;  // of each exponential
  double of_target;
  double of_others;  // what label smoothing takes from each class but the target
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
  uint32_t bias;                                                // index of the class
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
  const int32_t* ids;  // of classes: the rows of class c are those of class ids[c] of data; null: of class c
  int32_t centers;     // rows of a class
  int32_t normalised;  // 0: rows are taken as they are
};

// Margins of samples, by number; null where all have the common one.
struct sample_margins {
  const float* values[3];
};

struct margin_bounds {
  float least, largest;
  int32_t above_least;  // 1: `least` itself is outside
};

// The whole problem, for what goes back to x and w themselves and forms it in double.
struct source_problem {
  const float* embeddings;
  matrix_rows weights;
  const int32_t* targets;
  const float* bias;         // of the classes; null: none
  const float* shared_bias;  // the binary form's; null: none
  sample_state* samples;
  int64_t batch, classes, dim;
  double base2_scale;
  cosface_margin_softmax_options options;
};

struct count_samples_params {
  const int32_t* labels;
  const float *sample_weights, *loss_gradient;  // may be null
  sample_margins margins;
  margin_bounds bounds[3];  // of a sample's margins
  int64_t batch, classes;
  int32_t ignore_label;
  first_faults* faults;
  step_report* report;
};

struct prepare_rows_params {
  source_problem problem;
  const int32_t* labels;
  const float *sample_weights, *loss_gradient;
  sample_margins margins;
  int64_t padded_batch, padded_dim;
  double unit_scale;  // of the operand: base2_scale, or 1 where scores are scaled later
  int32_t mean, half_operands;
  float shift;         // of every row, where one serves all
  void* units;         // [padded_batch, padded_dim] float or half: unit_scale x^
  int32_t* targets;    // [padded_batch] label, -1 where ignored
  float* shifts;       // [padded_batch]
  float* target_seen;  // [padded_batch] set to no_logit
  first_faults* faults;
  step_report* report;
};

struct prepare_classes_params {
  matrix_rows weights;
  int64_t first, count, padded_count, dim, padded_dim;
  int32_t half_operands, counts_zeros;
  const float* bias;  // null: none
  int64_t bias_count;
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
  exponentials,
  scores  // as the product has them, to bend_scores
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

struct bend_scores_params {
  source_problem problem;
  float* scores;  // [padded rows, padded_batch] v; out, with the aim exponentials: what the gradient products multiply
  const float* shifts;
  int64_t padded_batch, first_class, classes, padded_rows;  // of the chunk
  int64_t classes_per_run;
  logit_aim aim;
  bent_partial* runs;  // [runs, padded_batch]
  float* target_seen;
};

struct fold_runs_params {
  const bent_partial* runs;
  int64_t count, padded_batch;
  logit_aim aim;
  int32_t first_chunk, last_chunk;
  float* shifts;           // written after the last chunk of row_maxima
  bent_partial* partials;  // [padded_batch]
};

struct sum_units_params {
  const void* units;  // [rows, padded_dim] float or half
  int64_t rows, padded_dim, rows_per_part;
  int32_t half_operands;
  double* parts;  // [parts, padded_dim]
};

struct sum_samples_params {
  source_problem problem;
  int64_t padded_dim, rows_per_part;
  double* parts;  // [parts, padded_dim] sums of smoothed x^
};

struct fold_sums_params {
  const double* parts;
  int64_t count, padded_dim;
  int32_t accumulate;
  double* sum;  // [padded_dim]
};

struct dx_fp32_params {
  const float *exponentials, *class_units;
  int64_t padded_batch, padded_dim, padded_count, classes_per_part;
  int32_t accumulate;
  float* parts;  // [parts, padded_batch, padded_dim]
};

struct finish_rows_params {
  source_problem problem;
  const float* target_seen;
  const row_partial* partials;  // [sum_parts, padded_batch]
  const bent_partial* bent;     // [padded_batch] in its place where scores are bent; else null
  const float* parts;           // [dx_parts, padded_batch, padded_dim]; null: no gradients
  const double* class_sum;      // [padded_dim] of w^, for label smoothing; else null
  int64_t padded_batch, padded_dim, sum_parts, dx_parts;
  int32_t mean;
  step_report* report;
  float *loss, *target_cosine, *d_embeddings;                         // any may be null
  int32_t* prediction;                                                // may be null
  float *d_sample_weights, *d_sample_m1, *d_sample_m2, *d_sample_m3;  // may be null
  float* scaled_rows;      // fp32: [padded_batch, padded_dim] the operand of pass 2; else null
  row_factor* factors;     // tensor cores: [padded_batch]; else null
  bias_terms* bias;        // [padded_batch]; null: not wanted
  int32_t* corrected_row;  // fp32: [batch], -1: none
  float* corrected;        // fp32: [batch] the exponential from double, times its slope
  int32_t* redo;           // fp32: [batch] 1: the row's sum is to be formed in double; else null
};

struct redo_rows_params {
  source_problem problem;
  const int32_t* redo;
  float* d_embeddings;
};

struct patch_exponentials_params {
  const int32_t* corrected_row;
  const float* corrected;
  int64_t batch, padded_batch, first, count;
  float* exponentials;
};

struct dw_fp32_params {
  const float *exponentials, *scaled_rows;
  int64_t padded_batch, padded_dim, count, dim;
  float* d_weights;  // [count, dim] of the chunk, before unit, targets and projection
};

struct sum_bias_params {
  const float* exponentials;
  const bias_terms* terms;
  const int32_t* targets;
  int64_t batch, padded_batch, first_class, classes;  // of the chunk
  int32_t centers;
  float* d_bias;  // [classes] of the chunk
};

struct finish_classes_params {
  source_problem problem;
  const int32_t *order, *ordered_labels;
  const double* sample_sum;  // [dim] of smoothed x^, for label smoothing; else null
  const step_report* report;
  int64_t first, count;
  int32_t mean, half_products;
  float* d_weights;  // [count, dim] of the chunk
  int32_t* redo;     // [count] fp32: 1: the row's sum is to be formed in double; else null
};

struct redo_classes_params {
  source_problem problem;
  const int32_t *order, *ordered_labels, *redo;
  const float* exponentials;  // [row of w of the chunk][sample]
  int64_t first, count, padded_batch;
  float* d_weights;  // [count, dim] of the chunk
};

struct add_losses_params {
  const sample_state* samples;
  int64_t batch;
  int32_t mean;
  float* d_bias;  // of the binary form; else null
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
