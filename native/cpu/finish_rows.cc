// Every sum over the classes is known: losses, predictions, dx, and the operand of pass 2.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "cpu/job.h"

namespace cosface {
namespace {

// A negative that makes up more than this part of a row's sum gets its cosine again in double.
constexpr double dominant_part = 1.0 / 64;

}  // namespace

void job::finish_row(int32_t worker, int64_t i) {
  row_state& row = rows()[i];
  const double negatives = sum_negatives(i, of_worker<double>(worker, layout_.worker_row));
  // u = log2 of (sum of the other exponentials / the target's); p_y = 1 / (1 + 2^u)
  const double u = std::log2(negatives) - (row.target_logit + at<float>(layout_.shift)[i]);
  const double tail = std::exp2(-std::abs(u));
  const double miss = (u > 0 ? 1 : tail) / (1 + tail);
  row.weighted_loss = row.ignored ? 0 : row.weight * (std::max(u, 0.0) * std::numbers::ln2 + std::log1p(tail));

  if (results_.loss) results_.loss[row.sample] = static_cast<float>(row.weighted_loss);
  if (results_.target_cosine) results_.target_cosine[row.sample] = static_cast<float>(row.target_cosine);
  if (results_.prediction) results_.prediction[row.sample] = predict(i);
  if (!shape_.gradients) return;
  row.target_factor = -row.upstream * o_.scale * miss * row.target_slope;
  row.negative_factor = negatives > 0 ? row.upstream * o_.scale * miss / negatives : 0;
  write_d_embedding(worker, i);
}

// The sum of the negatives' exponentials. An fp32 logit near 64 is known to a few 1e-6, which is the
// relative error of its exponential; where one negative makes up the sum, as in a confident row,
// nothing averages that away. So the largest of each slab, if it matters, is replaced by its value in
// double, here and in both gradients. Test: kernel_accuracy_test, confident rows.
double job::sum_negatives(int64_t i, double* unit_row) {
  double sum = 0;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) sum += at<double>(layout_.sums)[slab * layout_.padded_rows + i];
  const double shift = at<float>(layout_.shift)[i], whole = sum;
  bool loaded = false;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) {
    const int64_t k = slab * layout_.padded_rows + i;
    float& corrected = at<float>(layout_.corrected)[k];
    corrected = not_corrected;
    const double seen = seen_exponential(k, i);
    if (seen < whole * dominant_part || seen == 0) continue;
    if (!loaded) load_unit_row(rows()[i], unit_row);
    loaded = true;
    const double exact = std::exp2(base2_scale_ * cosine(unit_row, at<int32_t>(layout_.best_class)[k]) + shift);
    corrected = static_cast<float>(exact);
    sum += exact - seen;
  }
  return std::max(sum, 0.0);
}

// What pass 1 had for the largest negative of entry k = slab * padded_rows + row.
double job::seen_exponential(int64_t k, int64_t i) const {
  return std::exp2(static_cast<double>(at<float>(layout_.best)[k]) + at<float>(layout_.shift)[i]);
}

int32_t job::predict(int64_t i) const {
  const float* best = at<float>(layout_.best);
  const int32_t* best_class = at<int32_t>(layout_.best_class);
  float highest = best[i];
  int32_t winner = best_class[i];
  for (int64_t slab = 1; slab < layout_.slabs; slab++) {
    const int64_t k = slab * layout_.padded_rows + i;
    if (best[k] > highest) {
      highest = best[k];
      winner = best_class[k];
    }
  }
  const row_state& row = rows()[i];
  if (row.target_seen > highest || (row.target_seen == highest && row.label < winner)) winner = row.label;
  return static_cast<int32_t>(class_id(winner));
}

// dx = (g - (g . x^) x^) / |x|,  g = negative_factor sum_c E w^_c + target_factor w^_y
void job::write_d_embedding(int32_t worker, int64_t i) {
  const row_state& row = rows()[i];
  float* out = results_.d_embeddings + row.sample * p_.dim;
  if (p_.dim == 1 || row.inverse_norm == 0) {  // nothing can turn on a line; rounding must not say otherwise
    std::fill_n(out, p_.dim, 0.0f);
    return;
  }
  double* sum = of_worker<double>(worker, layout_.worker_row);
  const float* x = embedding(row);
  const double squared = k_.squared_norm(x, p_.dim);
  sum_negatives_of_row(i, sum);
  const double summed = k_.squared_length(sum, p_.dim);
  add_target_of_row(row, sum);
  if (shortened(summed, k_.squared_length(sum, p_.dim), k_.dot(sum, x, p_.dim), squared)) {
    sum_negatives_of_row_exactly(i, of_worker<double>(worker, layout_.worker_unit_row), sum);
    add_target_of_row(row, sum);
  }
  k_.project(out, sum, x, k_.dot(sum, x, p_.dim) / squared, row.inverse_norm, p_.dim, false);
}

void job::sum_negatives_of_row(int64_t i, double* sum) const {
  const double factor = rows()[i].negative_factor;
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t slab = 0; slab < layout_.slabs; slab++)
    k_.add_scaled(sum, at<float>(layout_.d_unit) + (slab * layout_.padded_rows + i) * layout_.unit_ld, factor, p_.dim);
  if (gradients_in_fp32()) add_corrections(i, sum);
}

void job::add_target_of_row(const row_state& row, double* sum) const {
  if (row.ignored) return;
  const double length = norm(row.label);
  if (length >= COSFACE_ZERO_NORM) k_.add_scaled(sum, weight(row.label), row.target_factor / length, p_.dim);
}

// What the corrected exponentials change in dx.
void job::add_corrections(int64_t i, double* sum) const {
  const double per_negative = rows()[i].negative_factor;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) {
    const int64_t k = slab * layout_.padded_rows + i, c = at<int32_t>(layout_.best_class)[k];
    const float corrected = at<float>(layout_.corrected)[k];
    if (corrected == not_corrected) continue;
    const double length = norm(c);
    if (length >= COSFACE_ZERO_NORM)
      k_.add_scaled(sum, weight(c), (corrected - seen_exponential(k, i)) * per_negative / length, p_.dim);
  }
}

// The operand [D / NR][words of Nb][NR] of pass 2: x^ times each row's factor, samples down.
void job::pack_gradient_operand(int32_t worker, int64_t panel) {
  const int64_t columns = k_.tile_columns, together = gradient_products_.values_per_word;
  const int64_t first = panel * columns, end = std::min(first + columns, block_.count);
  const int64_t block_words = gradient_products_.words(layout_.padded_rows);
  float* scaled = of_worker<float>(worker, layout_.worker_scaled);
  std::fill_n(scaled, 2 * layout_.padded_dim, 0.0f);
  for (int64_t i = first; i < end; i += together) {
    for (int64_t k = 0; k < together; k++) {
      float* out = scaled + k * layout_.padded_dim;
      if (i + k >= end) {
        std::fill_n(out, p_.dim, 0.0f);
        continue;
      }
      const row_state& row = rows()[i + k];
      k_.scale(out, embedding(row), row.negative_factor / gradient_unit_ * row.inverse_norm, p_.dim);
    }
    for (int64_t d = 0; d < layout_.padded_dim; d += columns) {
      float* out =
          at<float>(layout_.gradient_operand) + (d / columns * block_words + gradient_products_.words(i)) * columns;
      if (together == 1)
        std::copy_n(scaled + d, columns, out);
      else
        k_.pair_across(out, scaled + d, scaled + layout_.padded_dim + d, columns);
    }
  }
}

void job::sort_labels() {
  const row_state* row = rows();
  int32_t* order = at<int32_t>(layout_.label_order);
  for (int64_t i = 0; i < block_.count; i++) order[i] = static_cast<int32_t>(i);
  std::sort(order, order + block_.count,
            [row](int32_t a, int32_t b) { return row[a].label != row[b].label ? row[a].label < row[b].label : a < b; });
}

}  // namespace cosface
