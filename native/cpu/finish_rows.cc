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
  if (binary())
    lose_binary(row, i, negatives);
  else
    lose_softmax(row, i, negatives);
  row.weighted_loss = row.weight * row.loss;
  write_sample(row, i);
  if (!shape_.gradients) return;
  row.target_factor = row.d_target * row.target_slope;
  row.along_factor = row.d_target * row.target_along;
  if (shape_.bias) at<double>(layout_.row_factors)[i] = row.negative_factor / o_.scale;
  write_d_embedding(worker, i);
}

void job::lose_softmax(row_state& row, int64_t i, double negatives) {
  // u = log2 of (sum of the other exponentials / the target's); p_y = 1 / (1 + 2^u)
  const double u = std::log2(negatives) - (row.target_logit + at<float>(layout_.shift)[i]);
  const double tail = std::exp2(-std::abs(u));
  const double miss = (u > 0 ? 1 : tail) / (1 + tail);
  row.loss = row.ignored ? 0 : std::max(u, 0.0) * std::numbers::ln2 + std::log1p(tail);
  row.d_target = -row.upstream * o_.scale * miss;
  row.negative_factor = negatives > 0 ? row.upstream * o_.scale * miss / negatives : 0;
  if (!shape_.smoothed || row.ignored) return;
  row.loss += smoothing_loss(row);
  row.even_factor = -row.upstream * o_.scale * o_.label_smoothing / static_cast<double>(shape_.classes);
  row.d_target += row.upstream * o_.scale * o_.label_smoothing + row.even_factor;
}

void job::lose_binary(row_state& row, int64_t i, double negatives) {
  if (row.ignored) return;
  const exact_negative own = term_of(-row.target_logit, 1);
  row.loss = (o_.positive_weight * own.part + o_.negative_weight * negatives) * std::numbers::ln2;
  row.d_target = -row.upstream * o_.scale * o_.positive_weight * own.weight;
  row.negative_factor = row.upstream * o_.scale * o_.negative_weight;
  double sigmoids = 0;
  for (int64_t slab = 0; slab < layout_.slabs; slab++)
    sigmoids += at<double>(layout_.sigmoids)[slab * layout_.padded_rows + i];
  row.d_bias = o_.bias_sign * (row.d_target + row.negative_factor * sigmoids) / o_.scale;
}

void job::write_sample(const row_state& row, int64_t i) {
  const int64_t at = row.sample;
  if (results_.loss) results_.loss[at] = static_cast<float>(row.weighted_loss);
  if (results_.target_cosine) results_.target_cosine[at] = static_cast<float>(row.target_cosine);
  if (results_.prediction) results_.prediction[at] = predict(i);
  const double lengths = row.length * row.own_length;
  if (results_.d_sample_weights)
    results_.d_sample_weights[at] =
        static_cast<float>(row.loss * share_ * (p_.loss_gradient ? p_.loss_gradient[at] : 1.0));
  if (results_.d_sample_m1) results_.d_sample_m1[at] = static_cast<float>(row.d_target * lengths * row.target_by.m1);
  if (results_.d_sample_m2) results_.d_sample_m2[at] = static_cast<float>(row.d_target * lengths * row.target_by.m2);
  if (results_.d_sample_m3) results_.d_sample_m3[at] = static_cast<float>(row.d_target * lengths * row.target_by.m3);
}

// The sum of the negatives' exponentials. An fp32 logit near 64 is known to a few 1e-6, which is the
// relative error of its exponential; where one negative makes up the sum, as in a confident row,
// nothing averages that away. So the largest of each slab, if it matters, is replaced by its value in
// double, here and in both gradients. Test: kernel_accuracy_test, confident rows.
double job::sum_negatives(int64_t i, double* unit_row) {
  double sum = 0;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) sum += at<double>(layout_.sums)[slab * layout_.padded_rows + i];
  const double whole = sum;
  bool loaded = false;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) {
    const int64_t k = slab * layout_.padded_rows + i;
    float& corrected = at<float>(layout_.corrected)[k];
    corrected = not_corrected;
    const exact_negative seen = seen_negative(k, i, 1);
    if (seen.part < whole * dominant_part || seen.part == 0) continue;
    if (!loaded) load_unit_row(rows()[i], unit_row);
    loaded = true;
    const int64_t c = at<int32_t>(layout_.peak_class)[k];
    const exact_negative exact = exact_negative_of(i, score(rows()[i], unit_row, c), c);
    corrected = static_cast<float>(exact.weight);
    if (shape_.ruled) at<float>(layout_.slopes)[k] = static_cast<float>(exact.slope);
    sum += exact.part - seen.part;
    if (binary()) at<double>(layout_.sigmoids)[k] += exact.sigmoid - seen.sigmoid;
  }
  return std::max(sum, 0.0);
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
  winner = static_cast<int32_t>(class_of(winner));
  const row_state& row = rows()[i];
  // Every logit may be -inf in fp32, as the target is that an ignored sample has not.
  if (row.label == no_class) return static_cast<int32_t>(class_id(winner));
  if (row.target_seen > highest || (row.target_seen == highest && row.label < winner)) winner = row.label;
  return static_cast<int32_t>(class_id(winner));
}

// dx = (g - (g . x^) x^) / |x|,  g = negative_factor sum_c E w^_c + target_factor w^_y; dx = g where x is not
// normalised
void job::write_d_embedding(int32_t worker, int64_t i) {
  const row_state& row = rows()[i];
  float* out = results_.d_embeddings + row.sample * p_.dim;
  const bool turns = o_.normalize_embeddings;
  if (turns && (p_.dim == 1 || row.inverse_norm == 0)) {  // nothing turns on a line; rounding must not say otherwise
    std::fill_n(out, p_.dim, 0.0f);
    return;
  }
  double* sum = of_worker<double>(worker, layout_.worker_row);
  const float* x = embedding(row);
  const double squared = k_.squared_norm(x, p_.dim);
  sum_negatives_of_row(i, sum);
  const double summed = k_.squared_length(sum, p_.dim);
  add_target_of_row(row, sum);
  // Along x all of it stays where x is not normalised.
  const auto along = [&] { return turns ? k_.dot(sum, x, p_.dim) : 0; };
  if (shortened(summed, k_.squared_length(sum, p_.dim), along(), turns ? squared : 1)) {
    sum_negatives_of_row_exactly(i, of_worker<double>(worker, layout_.worker_unit_row), sum);
    add_target_of_row(row, sum);
  }
  k_.project(out, sum, x, turns ? along() / squared : 0, turns ? row.inverse_norm : 1, p_.dim, false);
}

void job::sum_negatives_of_row(int64_t i, double* sum) const {
  const double factor = rows()[i].negative_factor;
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t slab = 0; slab < layout_.slabs; slab++)
    k_.add_scaled(sum, at<float>(layout_.d_unit) + (slab * layout_.padded_rows + i) * layout_.unit_ld, factor, p_.dim);
  if (gradients_in_fp32()) add_corrections(i, sum);
}

// And label smoothing, and what x's length has in the target's logit.
void job::add_target_of_row(const row_state& row, double* sum) const {
  if (row.ignored) return;
  k_.add_scaled(sum, weight(row.own), row.target_factor * class_factor(norm(row.own)), p_.dim);
  if (shape_.smoothed) add_even_of_row(row, sum);
  if (!o_.normalize_embeddings && row.along_factor != 0)
    k_.add_scaled(sum, embedding(row), row.along_factor * row.own_length * row.inverse_norm, p_.dim);
}

// What the corrected exponentials change in dx.
void job::add_corrections(int64_t i, double* sum) const {
  const double per_negative = rows()[i].negative_factor;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) {
    const int64_t k = slab * layout_.padded_rows + i, c = at<int32_t>(layout_.peak_class)[k];
    const float corrected = at<float>(layout_.corrected)[k];
    if (corrected == not_corrected) continue;
    const double change = corrected - seen_negative(k, i, shape_.ruled ? at<float>(layout_.slopes)[k] : 1).weight;
    k_.add_scaled(sum, weight(c), change * per_negative * class_factor(norm(c)), p_.dim);
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
      k_.scale(out, embedding(row), row.negative_factor / gradient_unit_ * row_factor(row), p_.dim);
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
  // As in order_rows.
  std::partial_sort(order, order + block_.count, order + block_.count,
                    [row](int32_t a, int32_t b) { return row[a].own != row[b].own ? row[a].own < row[b].own : a < b; });
}

}  // namespace cosface
