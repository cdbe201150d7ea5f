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
  if (plan_.row_shift)
    find_row_shifts(team);
  else
    std::fill_n(at<float>(layout_.shift), layout_.padded_rows,
                static_cast<float>(fixed_shift(o_.scale, shape_.classes)));
}

void job::prepare_row(row_state& row, int64_t sample, double* unit_row) {
  row = {};
  row.sample = sample;
  const double length = std::sqrt(k_.squared_norm(embedding(row), p_.dim));
  if (!std::isfinite(length)) not_finite_ = true;
  const bool zero = length < COSFACE_ZERO_NORM;
  if (zero) zero_embeddings_++;
  row.inverse_norm = zero ? 0 : 1 / length;
  load_unit_row(row, unit_row);

  row.label = at<int32_t>(layout_.labels)[sample];
  row.target_seen = -std::numeric_limits<float>::infinity();
  row.ignored = row.label == no_class;
  if (row.ignored) return;
  row.target_cosine = cosine(unit_row, row.label);
  const target_logit target = target_logit_of(row.target_cosine, margins_of(p_, o_, sample), o_);
  row.target_logit = base2_scale_ * target.value;
  row.target_slope = target.slope;
  row.weight = p_.sample_weights ? p_.sample_weights[sample] : 1.0;
  row.upstream = row.weight * share_ * (p_.loss_gradient ? p_.loss_gradient[sample] : 1.0);
}

// Samples without a gradient first, then the surest: whole panels are left out, so the sure ones should
// share them.
void job::order_rows() {
  const auto sureness = [](const row_state& row) {
    return row.upstream == 0 ? std::numeric_limits<double>::infinity() : row.target_logit;
  };
  std::sort(rows(), rows() + block_.count, [&](const row_state& a, const row_state& b) {
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
      k_.scale(row, embedding(rows()[i]), rows()[i].inverse_norm * base2_scale_, p_.dim);
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

}  // namespace cosface
