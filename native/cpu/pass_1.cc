// Logits, exponentials, their sums and the unnormalised dx of a group of rows and a slab of classes.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "cpu/job.h"

namespace cosface {

void job::pass_1(int32_t worker, int64_t task, pass_1_aim aim) {
  const int64_t slab = task % layout_.slabs, group = task / layout_.slabs, columns = k_.tile_columns;
  const row_range rows{group * plan_.row_group, std::min(plan_.row_group, block_.count - group * plan_.row_group)};
  const int64_t slab_first = slab * plan_.class_slab,
                slab_end = std::min(slab_first + plan_.class_slab, shape_.classes);
  const int64_t slab_rows = slab * layout_.padded_rows, padded = panels(rows.count) * columns;
  double* const sums = at<double>(layout_.sums) + slab_rows;
  float* const best = at<float>(layout_.best) + slab_rows;
  int32_t* const best_class = at<int32_t>(layout_.best_class) + slab_rows;
  std::fill_n(sums + rows.first, padded, 0.0);
  std::fill_n(best + rows.first, padded, -std::numeric_limits<float>::infinity());
  std::fill_n(best_class + rows.first, padded, 0);
  if (shape_.ruled) {
    std::fill_n(at<float>(layout_.peak) + slab_rows + rows.first, padded, -std::numeric_limits<float>::infinity());
    std::fill_n(at<int32_t>(layout_.peak_class) + slab_rows + rows.first, padded, 0);
  }
  if (binary()) std::fill_n(at<double>(layout_.sigmoids) + slab_rows + rows.first, padded, 0.0);

  const bool maxima = aim == pass_1_aim::row_maxima, gradients = shape_.gradients && !maxima;
  if (gradients && filters())  // else the first class block overwrites
    std::fill_n(at<float>(layout_.d_unit) + (slab_rows + rows.first) * layout_.unit_ld, rows.count * layout_.unit_ld,
                0.0f);
  for (int64_t first = slab_first; first < slab_end; first += plan_.class_block) {
    const class_range classes{first, std::min(plan_.class_block, slab_end - first)};
    const int64_t next_first = first + plan_.class_block;
    prefetch_queue next;
    prefetch_weights(next, next_first, std::clamp<int64_t>(slab_end - next_first, 0, plan_.class_block));
    const double* norms = norms_of(worker, classes, group == 0);
    const class_operand w = operand_of(worker, classes, norms, gradients);
    if (group == 0 && block_.first == 0 && !maxima && !shifted_again_) {
      zero_weights_ += std::count_if(norms, norms + classes.count, [](double n) { return n < COSFACE_ZERO_NORM; });
      if (shape_.smoothed) add_class_sums(classes, norms, slab);
    }
    const exponential_block e = block_in_pass_1(worker, classes, rows);
    for (int64_t panel = 0; panel < panels(rows.count); panel++) {
      const int64_t row = rows.first + panel * columns;
      logit_strip logits = multiply_logits(worker, w, classes, row, next);
      logits.best = best + row;
      logits.best_class = best_class + row;
      if (maxima) {
        k_.maxima(logits);
        continue;
      }
      logits.peak = at<float>(layout_.peak) + slab_rows + row;
      logits.peak_class = at<int32_t>(layout_.peak_class) + slab_rows + row;
      float parts[largest_tile_columns], sigmoids[largest_tile_columns];
      exponentiate(worker, logits, row, e, panel, {parts, sigmoids});
      if (binary()) add_sigmoids(sigmoids, at<double>(layout_.sigmoids) + slab_rows + row);
      const bool kept = add_strip_sums(classes.count, row, parts, sums);
      if (gradients && filters()) kept_panels(classes.first)[row / columns] = kept;
      if (gradients && kept) round_strip(logits, e, panel);
    }
    if (gradients) add_d_unit(w, classes, rows, e, slab, next);
  }
  k_.fence();
}

// Kept norms are found by the first group of rows; a group that comes before it is done finds its own.
const double* job::norms_of(int32_t worker, class_range classes, bool first_group) {
  double* kept = plan_.keep_norms ? at<double>(layout_.norms) + classes.first : nullptr;
  std::atomic<bool>* known = at<std::atomic<bool>>(layout_.norms_known) + classes.first / plan_.class_block;
  if (kept && (norms_known_ || known->load(std::memory_order_acquire))) return kept;
  double* norms = kept && first_group ? kept : of_worker<double>(worker, layout_.worker_norms);
  for (int64_t c = 0; c < classes.count; c++) {
    norms[c] = std::sqrt(k_.squared_norm(weight(classes.first + c), p_.dim));
    if (!std::isfinite(norms[c])) not_finite_ = true;
  }
  if (norms == kept) known->store(true, std::memory_order_release);
  return norms;
}

class_operand job::operand_of(int32_t worker, class_range classes, const double* norms, bool for_dx) const {
  if (shape_.bias) load_bias(worker, classes);
  return reads_in_place(classes, norms) ? place_classes(worker, classes, norms)
                                        : pack_classes(worker, classes, norms, for_dx);
}

// Unless a norm would take the factors, or exponentials times them, out of the range of fp32. Nor with
// a zero row: its factor 0 would make the no_logit of its own samples count as a logit of 0.
bool job::reads_in_place(class_range classes, const double* norms) const {
  constexpr double least = 0x1p-20, largest = 0x1p20;
  if (!o_.normalize_weights) return !plan_.pack_weights;
  return !plan_.pack_weights &&
         std::all_of(norms, norms + classes.count, [](double length) { return length > least && length < largest; });
}

class_operand job::place_classes(int32_t worker, class_range classes, const double* norms) const {
  if (!o_.normalize_weights) return {weight(classes.first), p_.dim, weight(classes.first), p_.dim, nullptr};
  weight_factor* factors = of_worker<weight_factor>(worker, layout_.worker_factors);
  for (int64_t c = 0; c < classes.count; c++) {
    const double factor = 1 / norms[c];
    factors[c].high = static_cast<float>(factor);
    factors[c].low = static_cast<float>(factor - factors[c].high);
  }
  return {weight(classes.first), p_.dim, weight(classes.first), p_.dim, factors};
}

// w^, zero-padded, in the forms that the products read.
class_operand job::pack_classes(int32_t worker, class_range classes, const double* norms, bool for_dx) const {
  float* packed = of_worker<float>(worker, layout_.worker_weights);
  float* weight_pairs = of_worker<float>(worker, layout_.worker_weight_pairs);
  float* scaled = of_worker<float>(worker, layout_.worker_scaled);
  const bool rounded = logit_products_.values_per_word == 2, pairs = for_dx && !gradients_in_fp32();
  for (int64_t c = 0; c < classes.count; c++) {
    float* row = packed + c * layout_.weight_ld;
    float* unit = rounded ? scaled + c % 2 * layout_.padded_dim : row;
    k_.scale(unit, weight(classes.first + c), class_factor(norms[c]), p_.dim);
    std::fill(unit + p_.dim, unit + layout_.padded_dim, 0.0f);
    if (rounded) k_.pair_along(row, unit, p_.dim);
    if (!pairs) continue;
    const float* previous = rounded ? scaled : row - layout_.weight_ld;
    if (c % 2 == 1)
      k_.pair_across(weight_pairs + c / 2 * layout_.pair_ld, previous, unit, layout_.padded_dim);
    else if (c + 1 == classes.count)
      k_.pair_across(weight_pairs + c / 2 * layout_.pair_ld, unit, at<float>(layout_.zeros), layout_.padded_dim);
  }
  if (pairs) return {packed, layout_.weight_ld, weight_pairs, layout_.pair_ld, nullptr};
  return {packed, layout_.weight_ld, packed, layout_.weight_ld, nullptr};
}

exponential_block job::block_in_pass_1(int32_t worker, class_range classes, row_range rows) const {
  if (!shape_.gradients) return {};
  exponential_block e{of_worker<float>(worker, layout_.worker_columns), layout_.columns_ld, nullptr, 0, true};
  if (!plan_.keep) return e;
  e.rows =
      at<float>(layout_.exponentials) + classes.first * layout_.exponential_ld + gradient_products_.words(rows.first);
  e.rows_ld = layout_.exponential_ld;
  return e;
}

// The base-2 logits of a class block against one panel of rows, targets taken out.
logit_strip job::multiply_logits(int32_t worker, const class_operand& w, class_range classes, int64_t row,
                                 prefetch_queue& next) {
  const int64_t columns = k_.tile_columns, words = logit_products_.words(p_.dim);
  const int64_t depth = std::min(plan_.feature_depth, words);
  const float* operand = at<float>(layout_.logit_operand) + row * words;
  float* strip = of_worker<float>(worker, layout_.worker_strip);
  for (int64_t d = 0; d < words; d += depth) {
    tile_product product{classes.count,
                         std::min(depth, words - d),
                         w.rows + d,
                         w.rows_ld,
                         operand + d * columns,
                         columns,
                         strip,
                         columns,
                         d > 0};
    if (!shape_.gradients) next.attach(product, k_.tile_rows);
    logit_products_.multiply_rows(product);
  }
  take_targets(strip, w, classes, row);
  if (o_.sub_centers > 1) k_.keep_nearest(strip, classes.count, columns, w.factors, o_.sub_centers);
  return {classes.count, strip, columns, w.factors, static_cast<int32_t>(classes.first), nullptr, nullptr};
}

// The targets of this strip step out of the softmax's sum; their fp32 logit stays known, because the
// prediction compares it with logits of the same making.
void job::take_targets(float* strip, const class_operand& w, class_range classes, int64_t row) {
  const int64_t end = std::min<int64_t>(row + k_.tile_columns, block_.count);
  for (int64_t i = row; i < end; i++) {
    row_state& target = rows()[i];
    const int64_t first = target.label * o_.sub_centers - classes.first;
    if (target.ignored || first < 0 || first >= classes.count) continue;
    target.target_seen = -std::numeric_limits<float>::infinity();
    for (int64_t c = first; c < first + o_.sub_centers; c++) {
      float& logit = strip[c * k_.tile_columns + (i - row)];
      const weight_factor factor = w.factors ? w.factors[c] : weight_factor{1, 0};
      target.target_seen = std::max(target.target_seen, std::fma(logit, factor.high, logit * factor.low));
      // Below every real logit, and 2^(it + shift) is 0, with any factor that reads_in_place allows.
      logit = no_logit;
    }
    if (shape_.bias) target.target_seen += static_cast<float>(bias(classes.first + first));
  }
}

// In fp32 exponentials go straight to where products read them; for bf16 they wait in place for round_strip.
void job::add_sigmoids(const float* sigmoids, double* sums) const {
  for (int64_t lane = 0; lane < k_.tile_columns; lane++) sums[lane] += sigmoids[lane];
}

void job::exponentiate(int32_t worker, const logit_strip& strip, int64_t row, const exponential_block& e, int64_t panel,
                       const strip_sums& sums) const {
  const int64_t start = panel * k_.tile_columns;
  exponential_target target{};
  if (shape_.gradients && !gradients_in_fp32()) {
    target = {const_cast<float*>(strip.logits), strip.ld, nullptr, 0};
  } else {
    if (e.columns != nullptr) target = {e.columns + start, e.columns_ld, nullptr, 0};
    if (e.rows != nullptr && e.rows_are_kept) target.far = e.rows + start, target.far_ld = e.rows_ld;
    if (e.rows != nullptr && !e.rows_are_kept) target.near = e.rows + start, target.near_ld = e.rows_ld;
  }
  const float* shift = at<float>(layout_.shift) + row;
  if (shape_.ruled)
    k_.negative_terms(strip, rule_of(worker, row), shift, sums, target);
  else
    k_.exponentials(strip, shift, sums.parts, target);
}

// Returns whether the gradients need this strip. They can do without where, for each of its samples,
// the block's probability is at most the tolerance's share of it: tolerance * classes / C. The
// denominator known so far, target and negatives, is a lower bound of the whole (docs/math.md).
bool job::add_strip_sums(int64_t classes, int64_t row, const float* strip_sums, double* sums) const {
  const int64_t columns = k_.tile_columns;
  for (int64_t lane = 0; lane < columns; lane++) sums[row + lane] += strip_sums[lane];
  if (!filters()) return true;
  const double part = o_.gradient_tolerance * static_cast<double>(classes) / static_cast<double>(shape_.classes);
  const int64_t end = std::min(row + columns, block_.count);
  for (int64_t i = row; i < end; i++) {
    const row_state& r = rows()[i];
    if (r.upstream == 0) continue;
    const double target = std::exp2(r.target_logit + at<float>(layout_.shift)[i]);
    if (strip_sums[i - row] > part * (target + sums[i])) return true;
  }
  return false;
}

void job::round_strip(const logit_strip& strip, const exponential_block& e, int64_t panel) const {
  if (gradients_in_fp32()) return;
  const int64_t start = panel * k_.tile_columns;
  rounded_target target{};
  if (e.rows != nullptr)
    target.along = e.rows + gradient_products_.words(start), target.along_ld = e.rows_ld, target.far = e.rows_are_kept;
  if (e.columns != nullptr) target.across = e.columns + start, target.across_ld = e.columns_ld;
  k_.round_strip(strip.logits, strip.classes, strip.ld, target);
}

void job::add_d_unit(const class_operand& w, class_range classes, row_range rows, const exponential_block& e,
                     int64_t slab, prefetch_queue& next) {
  const int64_t columns = k_.tile_columns;
  float* sum = at<float>(layout_.d_unit) + slab * layout_.padded_rows * layout_.unit_ld;
  const bool accumulate = filters() || classes.first > slab * plan_.class_slab;
  for_each_kept_run(classes.first, rows, [&](row_range run) {
    for (int64_t d = 0; d < layout_.padded_dim; d += columns) {
      tile_product product{run.count,
                           gradient_products_.words(classes.count),
                           e.columns + (run.first - rows.first),
                           e.columns_ld,
                           w.columns + d,
                           w.columns_ld,
                           sum + run.first * layout_.unit_ld + d,
                           layout_.unit_ld,
                           accumulate};
      next.attach(product, k_.tile_rows);
      gradient_products_.multiply_columns(product);
    }
  });
}

uint8_t* job::kept_panels(int64_t first_class) const {
  return at<uint8_t>(layout_.kept_panels) + first_class / plan_.class_block * panels(layout_.padded_rows);
}

}  // namespace cosface
