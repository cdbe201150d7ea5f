// dw of a block of classes: H_c = sum_i E_ic f_i x^_i, then the targets, then the projection. It is
// linear, so each row block is projected for itself and added.
#include <algorithm>
#include <cmath>

#include "cpu/job.h"

namespace cosface {
namespace {

// Norms between which fp32 holds the factors of the projection without loss.
constexpr double least_common_norm = 0x1p-40, largest_common_norm = 0x1p40;

}  // namespace

// Products and projections take turns at a few classes each, so that the memory traffic of the ones goes
// on behind the arithmetic of the others.
void job::pass_2(int32_t worker, class_range classes, int64_t task_end) {
  const exponential_block e = plan_.keep ? kept_block(classes) : recompute(worker, classes);
  if (gradients_in_fp32()) apply_corrections(classes, e);
  if (results_.d_bias && shape_.bias) write_d_bias(classes, e);
  float* product = of_worker<float>(worker, layout_.worker_product);
  for (int64_t start = 0; start < classes.count; start += plan_.turn_classes) {
    const class_range turn{classes.first + start, std::min(plan_.turn_classes, classes.count - start)};
    const int64_t next_first = turn.first + turn.count;
    const int64_t next_count = std::min(plan_.turn_classes, task_end - next_first);
    const float* rows = e.rows + start * e.rows_ld;
    prefetch_queue next;
    prefetch_weights(next, next_first, next_count);
    prefetch_outputs(next, next_first, next_count);
    if (plan_.keep) next.add(rows + turn.count * e.rows_ld, next_count * e.rows_ld);
    if (shape_.smoothed) start_product(turn, product);
    multiply_d_weights(rows, e.rows_ld, turn, product, next);
    finish_classes(worker, turn, product);
  }
}

exponential_block job::kept_block(class_range classes) const {
  return {nullptr, 0, at<float>(layout_.exponentials) + classes.first * layout_.exponential_ld, layout_.exponential_ld,
          true};
}

// The exponentials of a class block once more, for all rows of the row block.
exponential_block job::recompute(int32_t worker, class_range classes) {
  const int64_t columns = k_.tile_columns;
  const exponential_block e{nullptr, 0, of_worker<float>(worker, layout_.worker_rows), layout_.exponential_ld, false};
  const class_operand w = operand_of(worker, classes, norms_of(worker, classes, false), false);
  for_each_kept_run(classes.first, {0, block_.count}, [&](row_range run) {
    for (int64_t row = run.first; row < run.first + run.count; row += columns) {
      float best[largest_tile_columns] = {}, parts[largest_tile_columns], sigmoids[largest_tile_columns];
      int32_t best_class[largest_tile_columns] = {};
      prefetch_queue none;
      logit_strip logits = multiply_logits(worker, w, classes, row, none);
      logits.best = best;
      logits.best_class = best_class;
      logits.peak = best;
      logits.peak_class = best_class;
      exponentiate(worker, logits, row, e, row / columns, {parts, sigmoids});
      round_strip(logits, e, row / columns);
    }
  });
  return e;
}

// Puts the corrected exponentials of a class block where the product reads them.
void job::apply_corrections(class_range classes, const exponential_block& e) const {
  const int64_t first = classes.first / plan_.class_slab * layout_.padded_rows;
  const bool in_place = is_in_place(classes);
  for (int64_t i = 0; i < block_.count; i++) {
    const float corrected = at<float>(layout_.corrected)[first + i];
    const int64_t c = at<int32_t>(layout_.peak_class)[first + i] - classes.first;
    if (corrected == not_corrected || c < 0 || c >= classes.count) continue;
    const double factor = in_place ? class_factor(norm(classes.first + c)) : 1;
    e.rows[c * e.rows_ld + i] = static_cast<float>(corrected * factor);
  }
}

void job::multiply_d_weights(const float* e, int64_t ld, class_range classes, float* product, prefetch_queue& next) {
  const int64_t columns = k_.tile_columns, block_words = gradient_products_.words(layout_.padded_rows);
  bool first_run = true;
  for_each_kept_run(classes.first, {0, block_.count}, [&](row_range run) {
    const int64_t start = gradient_products_.words(run.first), words = gradient_products_.words(run.count);
    const int64_t depth = std::min(plan_.sample_depth, words);
    for (int64_t d = 0; d < layout_.padded_dim; d += columns) {
      const float* operand = at<float>(layout_.gradient_operand) + d * block_words;
      for (int64_t k = 0; k < words; k += depth) {
        tile_product tiles{classes.count,
                           std::min(depth, words - k),
                           e + start + k,
                           ld,
                           operand + (start + k) * columns,
                           columns,
                           product + d,
                           layout_.product_ld,
                           shape_.smoothed || !first_run || k > 0};
        next.attach(tiles, k_.tile_rows);
        gradient_products_.multiply_rows(tiles);
      }
    }
    first_run = false;
  });
  if (first_run && !shape_.smoothed) std::fill_n(product, classes.count * layout_.product_ld, 0.0f);
}

void job::finish_classes(int32_t worker, class_range classes, const float* product) {
  const int32_t* order = at<int32_t>(layout_.label_order);
  const auto below = [this](int32_t i, int64_t own) { return rows()[i].own < own; };
  int64_t target = std::lower_bound(order, order + block_.count, classes.first, below) - order;
  const bool in_place = is_in_place(classes);
  for (int64_t c = classes.first; c < classes.first + classes.count; c++, product += layout_.product_ld) {
    row_range targets{target, 0};
    for (; target < block_.count && rows()[order[target]].own == c; target++) targets.count++;
    finish_class(worker, c, product, in_place, targets);
    if (optimizer_) optimizer_->update(class_id(c), class_gradient(worker, c));
  }
}

void job::finish_class(int32_t worker, int64_t c, const float* product, bool in_place, row_range targets) {
  const bool first = block_.first == 0, turns = o_.normalize_weights;
  float* out = class_gradient(worker, c);
  const double length = norm(c), squared = length * length;
  if (turns && (p_.dim == 1 || length < COSFACE_ZERO_NORM)) {
    if (first) std::fill_n(out, p_.dim, 0.0f);
    return;
  }
  const double unit = product_unit(length, in_place);
  if (targets.count == 0 && !turns && !shape_.smoothed)
    return k_.project_fp32(out, product, weight(c), 0, unit, p_.dim, !first);
  if (targets.count == 0 && turns && length > least_common_norm && length < largest_common_norm) {
    const row_measure m = k_.measure(product, weight(c), p_.dim);
    // With label smoothing, what was summed is no longer than what all classes get and what is left together.
    const double summed = std::max(m.squared_length, squared_even_ / (unit * unit));
    if (!shortened(summed, m.squared_length, m.along, squared))
      return k_.project_fp32(out, product, weight(c), m.along / squared, unit / length, p_.dim, !first);
  }
  finish_target_class(worker, c, product, unit, targets);
}

// All gradients are 0, which an optimiser with momentum or weight decay still acts on.
void job::finish_without_samples() {
  for (int64_t c = 0; c < shape_.classes; c++) {
    std::fill_n(class_gradient(0, c), p_.dim, 0.0f);
    if (optimizer_) optimizer_->update(class_id(c), class_gradient(0, c));
  }
}

// A class that has samples of its own, or whose sum fp32 cannot project, goes through double.
void job::finish_target_class(int32_t worker, int64_t c, const float* product, double unit, row_range targets) {
  const float* w = weight(c);
  const bool turns = o_.normalize_weights;
  const double length = norm(c), squared = turns ? length * length : 1;
  const auto along = [&](const double* sum) { return turns ? k_.dot(sum, w, p_.dim) : 0; };
  double* sum = of_worker<double>(worker, layout_.worker_row);
  std::fill_n(sum, p_.dim, 0.0);
  k_.add_scaled(sum, product, unit, p_.dim);
  add_targets_of_class(targets, length, sum);
  double summed = k_.squared_norm(product, p_.dim) * unit * unit;
  if (shape_.smoothed) summed = std::max(summed, k_.squared_length(at<double>(layout_.batch_sum), p_.dim));
  if (shortened(summed, k_.squared_length(sum, p_.dim), along(sum), squared)) {
    sum_negatives_of_class_exactly(c, of_worker<double>(worker, layout_.worker_unit_row), sum);
    for (int64_t d = 0; shape_.smoothed && d < p_.dim; d++) sum[d] += at<double>(layout_.batch_sum)[d];
    add_targets_of_class(targets, length, sum);
  }
  k_.project(class_gradient(worker, c), sum, w, along(sum) / squared, turns ? 1 / length : 1, p_.dim, block_.first > 0);
}

// Of rows of w of this length; what it has in the targets' logits where it takes part; not what label smoothing gives
// to all classes.
void job::add_targets_of_class(row_range targets, double length, double* sum) const {
  double along = 0;
  int64_t own = 0;
  for (int64_t k = targets.first; k < targets.first + targets.count; k++) {
    const row_state& row = rows()[at<int32_t>(layout_.label_order)[k]];
    k_.add_scaled(sum, embedding(row), (row.target_factor - row.even_factor) * row_factor(row), p_.dim);
    along += row.along_factor * row.length;
    own = row.own;
  }
  if (!o_.normalize_weights && along != 0 && length >= COSFACE_ZERO_NORM)
    k_.add_scaled(sum, weight(own), along / length, p_.dim);
}

}  // namespace cosface
