// One call of the fused step: normalise, cosine, margin, softmax, forward and backward, without N x C.
//
// Classes lie on the broadcast axis and samples or features on the vector axis, so that the
// exponentials, stored [class][sample], serve as an operand of both gradient products as they are:
//
//   logits   R[c, i]  = sum_d w^[c, d] xT[d, i]    xT = s log2(e) x^, packed once a row block; rows as they are where
//                                                  their lengths take part, here and below
//            E[c, i]  = 2^(R[c, i] + shift_i), 0 where c = y_i
//   dx       G[i, d] += sum_c E[c, i] w^[c, d]
//   dw       H[c, d]  = sum_i E[c, i] (f_i x^[i, d]),   f_i = upstream_i s / Z_i
//
// With a rule for the negatives (negative_rule.h) E carries the slope of their curve too. Of K sub-centres the losers
// leave the softmax before the exponential; classes are then rows of w, and each row of w is called a class here.
//
// The target never enters the products: its loss and both its gradient terms are added in double,
// which keeps confident rows exact (docs/math.md derives this, and the projections that follow).
//
// A row block goes through the phases of plan.h; each has a file: prepare_rows.cc, pass_1.cc,
// finish_rows.cc, pass_2.cc. exact_sums.cc forms in double the few sums that fp32 is not good enough for; negatives.cc
// has what the family makes of negatives, label_smoothing.cc and bias.cc what is one term for all classes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <numbers>

#include "cosface/margin_softmax.h"
#include "cpu/plan.h"
#include "cpu/row_optimizer.h"
#include "cpu/row_state.h"
#include "cpu/thread_team.h"
#include "cpu/workspace_view.h"

namespace cosface {

struct class_range {
  int64_t first, count;
};

// Rows of the row block.
struct row_range {
  int64_t first, count;
};

// w of a block of classes as the products read it.
struct class_operand {
  const float* rows;  // [class][words of D], for the logits
  int64_t rows_ld;
  const float* columns;  // [words of classes][D], for dx
  int64_t columns_ld;
  const weight_factor* factors;  // [class], or null where w^ was packed
};

// Where the exponentials of a block of classes and some rows go; null: not wanted.
struct exponential_block {
  float* columns;  // [words of classes][sample], for dx
  int64_t columns_ld;
  float* rows;  // [class][words of samples], for dw
  int64_t rows_ld;
  bool rows_are_kept;  // for long, so past the caches
};

// Memory that will be wanted next, handed out part by part to products, which bring it into L2.
class prefetch_queue {
 public:
  void add(const float* data, int64_t count);
  void attach(tile_product& product, int64_t tile_rows);

 private:
  static constexpr int capacity = 3;
  struct {
    const char *next, *end;
  } regions_[capacity];
  int count_ = 0, at_ = 0;
};

// A negative in double: what it adds to the row's sum, and its weight in the gradient by its score.
struct exact_negative {
  double part, weight, sigmoid, slope;
};

enum class pass_1_aim {
  row_maxima,
  exponentials
};

class job : private workspace_view {
 public:
  job(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
      const call_shape& shape, const cosface_margin_softmax_plan& plan, const cpu_kernels& kernels, void* memory,
      cosface_margin_softmax_results& results, const row_optimizer* optimizer)
      : job(problem, options, shape, plan, kernels, lay_out(shape, plan, kernels), memory, results, optimizer) {}

  cosface_status run(cosface_error* error);

 private:
  job(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
      const call_shape& shape, const cosface_margin_softmax_plan& plan, const cpu_kernels& kernels,
      const workspace_layout& layout, void* memory, cosface_margin_softmax_results& results,
      const row_optimizer* optimizer);

  row_state* rows() const { return at<row_state>(layout_.rows); }
  const float* embedding(const row_state& row) const { return p_.embeddings + row.sample * p_.dim; }
  // Classes are counted among those that take part; class_id is the row of w, and the class for the caller.
  int64_t class_id(int64_t c) const { return class_ids_ ? class_ids_[c] : c; }
  const float* weight(int64_t c) const { return p_.weights + class_id(c) * p_.dim; }
  int64_t class_of(int64_t c) const { return c / o_.sub_centers; }
  bool binary() const { return shape_.binary; }
  // What the products see of a row is the row times this.
  double row_factor(const row_state& row) const { return o_.normalize_embeddings ? row.inverse_norm : 1; }
  double class_factor(double length) const;
  int64_t panels(int64_t rows) const { return (rows + k_.tile_columns - 1) / k_.tile_columns; }
  bool filters() const { return o_.gradient_tolerance > 0; }
  bool gradients_in_fp32() const { return gradient_products_.values_per_word == 1; }

  // job.cc
  cosface_status take_samples(cosface_error* error);
  void weigh_samples();
  void prefetch_weights(prefetch_queue& next, int64_t first, int64_t count) const;
  void prefetch_outputs(prefetch_queue& next, int64_t first, int64_t count) const;
  void run_row_block(thread_team& team, row_range block);
  void add_losses();
  double norm(int64_t c) const;
  double cosine(const double* unit_row, int64_t c) const;
  // <x_i, w_c> as the logits have it.
  double score(const row_state& row, const double* unit_row, int64_t c) const;
  void load_unit_row(const row_state& row, double* unit_row) const;

  // prepare_rows.cc
  void prepare_rows(thread_team& team);
  void prepare_row(row_state& row, int64_t sample, double* unit_row);
  void prepare_target(row_state& row, const double* unit_row);
  void order_rows();
  void pack_panel(int32_t worker, int64_t panel);
  void find_row_shifts(thread_team& team);
  bool shift_rows_again();

  // pass_1.cc
  void pass_1(int32_t worker, int64_t task, pass_1_aim aim);
  const double* norms_of(int32_t worker, class_range classes, bool first_group);
  bool reads_in_place(class_range classes, const double* norms) const;
  // Of classes of one block: the block as a whole decided, in pass 1.
  // A row of pass 2's product times this is in the units of the gradient.
  double product_unit(double length, bool in_place) const {
    return in_place && o_.normalize_weights ? gradient_unit_ * length : gradient_unit_;
  }
  bool is_in_place(class_range classes) const {
    const int64_t first = classes.first / plan_.class_block * plan_.class_block;
    return !plan_.pack_weights && reads_in_place({first, std::min(plan_.class_block, shape_.classes - first)},
                                                 at<double>(layout_.norms) + first);
  }
  class_operand operand_of(int32_t worker, class_range classes, const double* norms, bool for_dx) const;
  class_operand place_classes(int32_t worker, class_range classes, const double* norms) const;
  class_operand pack_classes(int32_t worker, class_range classes, const double* norms, bool for_dx) const;
  exponential_block block_in_pass_1(int32_t worker, class_range classes, row_range rows) const;
  logit_strip multiply_logits(int32_t worker, const class_operand& w, class_range classes, int64_t row,
                              prefetch_queue& next);
  void take_targets(float* strip, const class_operand& w, class_range classes, int64_t row);
  void exponentiate(int32_t worker, const logit_strip& strip, int64_t row, const exponential_block& e, int64_t panel,
                    const strip_sums& sums) const;
  void add_sigmoids(const float* sigmoids, double* sums) const;
  bool add_strip_sums(int64_t classes, int64_t row, const float* strip_sums, double* sums) const;
  void round_strip(const logit_strip& strip, const exponential_block& e, int64_t panel) const;
  void add_d_unit(const class_operand& w, class_range classes, row_range rows, const exponential_block& e, int64_t slab,
                  prefetch_queue& next);
  uint8_t* kept_panels(int64_t first_class) const;
  template <class function>
  void for_each_kept_run(int64_t first_class, row_range rows, const function& f) const;

  // finish_rows.cc
  void finish_row(int32_t worker, int64_t i);
  double sum_negatives(int64_t i, double* unit_row);
  void lose_softmax(row_state& row, int64_t i, double negatives);
  void lose_binary(row_state& row, int64_t i, double negatives);
  void write_sample(const row_state& row, int64_t i);
  int32_t predict(int64_t i) const;
  void write_d_embedding(int32_t worker, int64_t i);
  void sum_negatives_of_row(int64_t i, double* sum) const;
  void add_target_of_row(const row_state& row, double* sum) const;
  void add_corrections(int64_t i, double* sum) const;
  void pack_gradient_operand(int32_t worker, int64_t panel);
  void sort_labels();

  // pass_2.cc
  void pass_2(int32_t worker, class_range classes, int64_t task_end);
  exponential_block kept_block(class_range classes) const;
  exponential_block recompute(int32_t worker, class_range classes);
  void apply_corrections(class_range classes, const exponential_block& e) const;
  void multiply_d_weights(const float* e, int64_t ld, class_range classes, float* product, prefetch_queue& next);
  void finish_classes(int32_t worker, class_range classes, const float* product);
  void finish_class(int32_t worker, int64_t c, const float* product, bool in_place, row_range targets);
  void finish_target_class(int32_t worker, int64_t c, const float* product, double unit, row_range targets);
  float* class_gradient(int32_t worker, int64_t c) const {
    return optimizer_ ? of_worker<float>(worker, layout_.worker_gradient) : results_.d_weights + c * p_.dim;
  }
  void finish_without_samples();
  void add_targets_of_class(row_range targets, double length, double* sum) const;

  // negatives.cc
  negative_rule rule_of(int32_t worker, int64_t row) const;
  void write_rule_rows();
  void load_bias(int32_t worker, class_range classes) const;
  double bias(int64_t c) const { return p_.bias && !binary() ? p_.bias[class_of(c)] * std::numbers::log2e : 0; }
  double bias_in_base2() const { return p_.bias ? o_.bias_sign * *p_.bias * std::numbers::log2e : 0; }
  double binary_shift() const { return o_.negative_margin * base2_scale_ + bias_in_base2(); }
  exact_negative seen_negative(int64_t k, int64_t i, double slope) const;
  exact_negative exact_negative_of(int64_t i, double score, int64_t c) const;
  exact_negative term_of(double logit, double slope) const;
  int64_t nearest_of(const row_state& row, const double* unit_row, int64_t first, double& score) const;

  // label_smoothing.cc
  void add_class_sums(class_range classes, const double* norms, int64_t slab) const;
  void finish_class_sums() const;
  double smoothing_loss(const row_state& row) const;
  void sum_batch();
  void add_even_of_row(const row_state& row, double* sum) const;
  void start_product(class_range classes, float* product) const;

  // bias.cc
  void write_d_bias(class_range classes, const exponential_block& e) const;
  double sum_of_class(const exponential_block& e, int64_t c, int64_t first_class) const;

  // exact_sums.cc
  bool shortened(double squared_length, double squared_sum, double along, double squared_row) const;
  void sum_negatives_of_row_exactly(int64_t i, double* unit_row, double* sum) const;
  void sum_negatives_of_class_exactly(int64_t c, double* unit_row, double* sum) const;

  const cosface_margin_softmax_problem& p_;
  const cosface_margin_softmax_options& o_;
  const call_shape shape_;
  const cosface_margin_softmax_plan& plan_;
  const cpu_kernels& k_;
  const product_kernels& logit_products_;
  const product_kernels& gradient_products_;
  const workspace_layout layout_;
  cosface_margin_softmax_results& results_;
  const row_optimizer* const optimizer_;  // null: dw is stored
  const double base2_scale_;

  const int32_t* class_ids_ = nullptr;  // null: all
  row_range block_{};                   // the row block in work, as samples
  bool norms_known_ = false;            // the kept norms of all classes are there
  double share_ = 1;                    // 1 / counted for the mean
  double bias_sum_ = 0;                 // of all classes
  double d_bias_ = 0;                   // of the binary form, so far
  double gradient_unit_ = 1;            // a power of two near the largest |upstream|, kept out of the fp32 operand
  double squared_even_ = 0;             // label smoothing: the squared length of what every class gets of this block
  bool shifted_again_ = false;          // pass 1 of this row block is its second
  int64_t too_large_ = -1;              // a sample whose logits fp32 cannot hold apart
  std::atomic<bool> not_finite_{false};
  std::atomic<int64_t> zero_embeddings_{0}, zero_weights_{0};
};

// Stands for a logit that must not count: 2^(this + shift) is 0, and it is below every real logit.
constexpr float no_logit = -1e30f;
// In the place of the label of a sample that does not count.
constexpr int32_t no_class = -1;
// Times any factor that reads_in_place allows it is still below this, and every real logit above.
constexpr float no_logit_or_less = -1e20f;
// In the place of a corrected exponential: there is none.
constexpr float not_corrected = -1;

// Calls f(rows) for the runs of neighbouring panels that the gradient filter has kept.
template <class function>
void job::for_each_kept_run(int64_t first_class, row_range rows, const function& f) const {
  if (!filters()) return f(rows);
  const uint8_t* kept = kept_panels(first_class);
  const int64_t columns = k_.tile_columns, end = rows.first + rows.count;
  for (int64_t row = rows.first; row < end;) {
    int64_t run_end = row;
    while (run_end < end && kept[run_end / columns]) run_end += columns;
    if (run_end > row) f(row_range{row, (run_end < end ? run_end : end) - row});
    row = run_end + columns;
  }
}

}  // namespace cosface
