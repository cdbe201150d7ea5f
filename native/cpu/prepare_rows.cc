// Before the classes come: norms, target cosines and logits, the operand of the logits, shifts.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/job.h"
#include "reference/target_logit.h"

namespace cosface {

void job::prepare_rows(thread_team& team) {
  team.for_each(panels(block_.count), [this](int32_t worker, int64_t panel) {
    const int64_t first = panel * k_.tile_columns, end = std::min(first + k_.tile_columns, block_.count);
    for (int64_t i = first; i < end; i++)
      prepare_row(rows()[i], block_.first + i, of_worker<double>(worker, layout_.worker_row));
  });
  if (not_finite_) return;
  if (filters()) order_rows();
  team.for_each(panels(block_.count), [this](int32_t worker, int64_t panel) { pack_panel(worker, panel); });
  if (shape_.ruled) write_rule_rows();
  if (plan_.row_shift == 1) return find_row_shifts(team);
  double shift = 0;  // tried, where the logits have no bound
  if (binary()) shift = binary_shift();
  if (!binary() && plan_.row_shift == 0) {
    const logit_range range = logit_range_of(o_);
    shift = shift_below(range.high + std::log2(range.slope), shape_.classes);
  }
  std::fill_n(at<float>(layout_.shift), layout_.padded_rows, static_cast<float>(shift));
}

void job::prepare_row(row_state& row, int64_t sample, double* unit_row) {
  row = {};
  row.sample = sample;
  const double length = std::sqrt(k_.squared_norm(embedding(row), p_.dim));
  if (!std::isfinite(length)) not_finite_ = true;
  const bool zero = length < COSFACE_ZERO_NORM;
  if (zero) zero_embeddings_++;
  row.inverse_norm = zero ? 0 : 1 / length;
  row.length = o_.normalize_embeddings ? 1 : length;
  load_unit_row(row, unit_row);

  row.label = at<int32_t>(layout_.labels)[sample];
  row.target_seen = -std::numeric_limits<float>::infinity();
  row.ignored = row.label == no_class;
  row.own = -1;
  row.threshold = std::numeric_limits<double>::infinity();
  if (row.ignored) return;
  prepare_target(row, unit_row);
  row.weight = p_.sample_weights ? p_.sample_weights[sample] : 1.0;
  row.upstream = row.weight * share_ * (p_.loss_gradient ? p_.loss_gradient[sample] : 1.0);
}

void job::prepare_target(row_state& row, const double* unit_row) {
  double seen;
  row.own = static_cast<int32_t>(nearest_of(row, unit_row, row.label * o_.sub_centers, seen));
  row.own_length = o_.normalize_weights ? 1 : norm(row.own);
  row.target_cosine = cosine(unit_row, row.own);
  const margins m = margins_of(p_, o_, row.sample);
  const target_logit target = target_logit_of(row.target_cosine, m, o_);
  row.target_logit = base2_scale_ * target.value * (row.length * row.own_length);
  row.target_logit += binary() ? bias_in_base2() : bias(row.own);
  row.target_slope = target.slope;
  row.target_along = target.value - row.target_cosine * target.slope;
  row.target_by = target.by;
  row.threshold = target.value;
  row.m3 = m.m3;
}

// Samples without a gradient first, then the surest: whole panels are left out, so the sure ones should
// share them.
void job::order_rows() {
  const auto sureness = [](const row_state& row) {
    return row.upstream == 0 ? std::numeric_limits<double>::infinity() : row.target_logit;
  };
  // By a heap: an order that leaves no ties is the same by any way, and std::sort is five times the code.
  std::partial_sort(rows(), rows() + block_.count, rows() + block_.count, [&](const row_state& a, const row_state& b) {
    return sureness(a) != sureness(b) ? sureness(a) > sureness(b) : a.sample < b.sample;
  });
}

// The operand [words of D][NR] of the logits, s log2(e) x^. Lanes without a row are 0.
void job::pack_panel(int32_t worker, int64_t panel) {
  const int64_t columns = k_.tile_columns, words = logit_products_.words(p_.dim);
  float* operand = at<float>(layout_.logit_operand) + panel * words * columns;
  float* row = of_worker<float>(worker, layout_.worker_scaled);
  float* rounded = of_worker<float>(worker, layout_.worker_rounded);
  for (int64_t lane = 0; lane < columns; lane++) {
    const int64_t i = panel * columns + lane;
    if (i < block_.count)
      k_.scale(row, embedding(rows()[i]), row_factor(rows()[i]) * base2_scale_, p_.dim);
    else
      std::fill_n(row, p_.dim, 0.0f);
    const float* source = row;
    if (logit_products_.values_per_word == 2) {
      k_.pair_along(rounded, row, p_.dim);
      source = rounded;
    }
    for (int64_t k = 0; k < words; k++) operand[k * columns + lane] = source[k];
  }
}

// s too large for one shift: each row's largest negative logit is brought to about 0.
void job::find_row_shifts(thread_team& team) {
  const int64_t groups = (block_.count + plan_.row_group - 1) / plan_.row_group;
  team.for_each(groups * layout_.slabs,
                [this](int32_t worker, int64_t task) { pass_1(worker, task, pass_1_aim::row_maxima); });
  const float* best = at<float>(layout_.best);
  float* shift = at<float>(layout_.shift);
  std::fill_n(shift, layout_.padded_rows, 0.0f);
  for (int64_t i = 0; i < block_.count; i++) {
    float highest = best[i];
    for (int64_t slab = 1; slab < layout_.slabs; slab++)
      highest = std::max(highest, best[slab * layout_.padded_rows + i]);
    shift[i] = highest > no_logit ? -std::ceil(highest) : 0;
  }
}

// Where the options do not bound the logits, pass 1 has tried without a shift. If a row's largest negative is out of a
// range that leaves sums and factors ample room, every row's is brought to about 0, and pass 1 has to run again. Lanes
// without a row have logits too: their exponentials meet a 0 in pass 2, which must not be multiplied with infinity.
bool job::shift_rows_again() {
  constexpr float least = -60, largest = 60, too_large = 0x1p60f;
  const float* peak = at<float>(layout_.peak);
  float* shift = at<float>(layout_.shift);
  bool again = false;
  const int64_t lanes = panels(block_.count) * k_.tile_columns;
  for (int64_t i = 0; i < lanes; i++) {
    float highest = peak[i];
    for (int64_t slab = 1; slab < layout_.slabs; slab++)
      highest = std::max(highest, peak[slab * layout_.padded_rows + i]);
    const bool none = highest <= no_logit_or_less;
    again |= !none && !(highest >= least && highest <= largest);
    shift[i] = none ? 0 : -std::ceil(highest);
    if (i >= block_.count || too_large_ >= 0) continue;
    if ((!none && !(std::abs(highest) <= too_large)) || std::abs(rows()[i].target_logit) > too_large)
      too_large_ = rows()[i].sample;
  }
  if (!again) std::fill_n(shift, lanes, 0.0f);
  return again && too_large_ < 0;
}

}  // namespace cosface
