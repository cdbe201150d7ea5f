// Label smoothing gives every class the same: its share of the loss is linear in the logits, so that sums of rows say
// all.
//
//   loss_i  += e (z_iy - mean_c z_ic),   sum over c of z_ic = s <x_i, sum over c of w_c> + sum over c of b_c
//   dz_ic   += -upstream_i e / C for every class, besides upstream_i e for the target
#include <algorithm>
#include <cmath>
#include <numbers>

#include "cpu/job.h"

namespace cosface {

// While the block is in cache, by the first group of rows.
void job::add_class_sums(class_range classes, const double* norms, int64_t slab) const {
  double* sum = at<double>(layout_.class_sums) + slab * p_.dim;
  if (classes.first == slab * plan_.class_slab) std::fill_n(sum, p_.dim, 0.0);
  for (int64_t c = 0; c < classes.count; c++)
    k_.add_scaled(sum, weight(classes.first + c), class_factor(norms[c]), p_.dim);
}

// Of all slabs, into the first.
void job::finish_class_sums() const {
  double* sum = at<double>(layout_.class_sums);
  for (int64_t slab = 1; slab < layout_.slabs; slab++)
    for (int64_t d = 0; d < p_.dim; d++) sum[d] += at<double>(layout_.class_sums)[slab * p_.dim + d];
}

double job::smoothing_loss(const row_state& row) const {
  const double target = row.target_logit / std::numbers::log2e;
  const double all = o_.scale * k_.dot(at<double>(layout_.class_sums), embedding(row), p_.dim) * row_factor(row);
  const double own = o_.scale * row.target_cosine * row.length * row.own_length;
  const double total = all - own + bias_sum_ - bias(row.own) / std::numbers::log2e + target;
  return o_.label_smoothing * (target - total / static_cast<double>(shape_.classes));
}

// What every class's row of w gets from the rows of this block; the targets take theirs back.
void job::sum_batch() {
  double* sum = at<double>(layout_.batch_sum);
  float* single = at<float>(layout_.batch_sum_fp32);
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t i = 0; i < block_.count; i++) {
    const row_state& row = rows()[i];
    k_.add_scaled(sum, embedding(row), row.even_factor * row_factor(row), p_.dim);
  }
  squared_even_ = k_.squared_length(sum, p_.dim);
  std::fill_n(single, layout_.padded_dim, 0.0f);
  for (int64_t d = 0; d < p_.dim; d++) single[d] = static_cast<float>(sum[d]);
}

void job::add_even_of_row(const row_state& row, double* sum) const {
  const double* all = at<double>(layout_.class_sums);
  for (int64_t d = 0; d < p_.dim; d++) sum[d] += row.even_factor * all[d];
  k_.add_scaled(sum, weight(row.own), -row.even_factor * class_factor(norm(row.own)), p_.dim);
}

// Pass 2 adds to it.
void job::start_product(class_range classes, float* product) const {
  const bool in_place = is_in_place(classes);
  for (int64_t c = 0; c < classes.count; c++, product += layout_.product_ld) {
    const double unit = product_unit(norm(classes.first + c), in_place);
    k_.scale(product, at<float>(layout_.batch_sum_fp32), unit > 0 ? 1 / unit : 0, layout_.padded_dim);
  }
}

}  // namespace cosface
