// One call of the fused step: normalise, cosine, margin, softmax, forward and backward, without N x C.
//
// Classes lie on the broadcast axis and samples or features on the vector axis, so that the
// exponentials, stored [class][sample], serve as an operand of both gradient products as they are:
//
//   logits   R[c, i]  = sum_d w^[c, d] xT[d, i]    xT = s log2(e) x^, packed once a row block
//            E[c, i]  = 2^(R[c, i] + shift_i), 0 where c = y_i
//   dx       G[i, d] += sum_c E[c, i] w^[c, d]
//   dw       H[c, d]  = sum_i E[c, i] (f_i x^[i, d]),   f_i = upstream_i s / Z_i
//
// The target never enters the products: its loss and both its gradient terms are added in double,
// which keeps confident rows exact (docs/math.md derives this, and the projections that follow).
//
// A row block goes through the phases of plan.h; each has a file: prepare_rows.cc, pass_1.cc,
// finish_rows.cc, pass_2.cc. exact_sums.cc forms in double the few sums that fp32 is not good enough for.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

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
  void load_unit_row(const row_state& row, double* unit_row) const;

  // prepare_rows.cc
  void prepare_rows(thread_team& team);
  void prepare_row(row_state& row, int64_t sample, double* unit_row);
  void order_rows();
  void pack_panel(int32_t worker, int64_t panel);
  void find_row_shifts(thread_team& team);

  // pass_1.cc
  void pass_1(int32_t worker, int64_t task, pass_1_aim aim);
  const double* norms_of(int32_t worker, class_range classes, bool first_group);
  bool reads_in_place(class_range classes, const double* norms) const;
  // Of classes of one block: the block as a whole decided, in pass 1.
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
  void exponentiate(const logit_strip& strip, int64_t row, const exponential_block& e, int64_t panel,
                    float* sums) const;
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
  double seen_exponential(int64_t k, int64_t i) const;
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
  void add_targets_of_class(row_range targets, double* sum) const;

  // exact_sums.cc
  bool shortened(double squared_length, double squared_sum, double along, double squared_row) const;
  void sum_negatives_of_row_exactly(int64_t i, double* unit_row, double* sum) const;
  void sum_negatives_of_class_exactly(int64_t c, double* unit_class, double* sum) const;

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
  double gradient_unit_ = 1;            // a power of two near the largest |upstream|, kept out of the fp32 operand
  std::atomic<bool> not_finite_{false};
  std::atomic<int64_t> zero_embeddings_{0}, zero_weights_{0};
};

// Stands for a logit that must not count: 2^(this + shift) is 0, and it is below every real logit.
constexpr float no_logit = -1e30f;
// In the place of the label of a sample that does not count.
constexpr int32_t no_class = -1;
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
