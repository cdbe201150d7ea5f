// The gradient by the bias of each class: the sum of what its logits get.
#include <algorithm>
#include <bit>

#include "cpu/job.h"

namespace cosface {
namespace {

// The two bf16 values of a word.
float low_half(float word) { return std::bit_cast<float>(std::bit_cast<uint32_t>(word) << 16); }
float high_half(float word) { return std::bit_cast<float>(std::bit_cast<uint32_t>(word) & 0xffff0000u); }

}  // namespace

// `classes` are a whole class block, so all sub-centres of its classes.
void job::write_d_bias(class_range classes, const exponential_block& e) const {
  const int32_t* order = at<int32_t>(layout_.label_order);
  const auto below = [this](int32_t i, int64_t own) { return rows()[i].own < own; };
  int64_t target = std::lower_bound(order, order + block_.count, classes.first, below) - order;
  double even = 0;
  for (int64_t i = 0; shape_.smoothed && i < block_.count; i++) even += rows()[i].even_factor;
  const bool in_place = is_in_place(classes);
  for (int64_t first = 0; first < classes.count; first += o_.sub_centers) {
    double sum = even;
    for (int64_t c = first; c < first + o_.sub_centers; c++) {
      const double unit = product_unit(norm(classes.first + c), in_place) / gradient_unit_;
      sum += o_.scale * sum_of_class(e, c, classes.first) * unit;
    }
    for (; target < block_.count && rows()[order[target]].own < classes.first + first + o_.sub_centers; target++)
      sum += rows()[order[target]].d_target - rows()[order[target]].even_factor;
    float& out = results_.d_bias[class_of(classes.first + first)];
    const float here = static_cast<float>(sum / o_.scale);
    out = block_.first == 0 ? here : out + here;
  }
}

// The exponentials of row c of the block, each times its sample's factor.
double job::sum_of_class(const exponential_block& e, int64_t c, int64_t first_class) const {
  const double* factors = at<double>(layout_.row_factors);
  const float* row = e.rows + c * e.rows_ld;
  double sum = 0;
  for_each_kept_run(first_class, {0, block_.count}, [&](row_range run) {
    if (gradients_in_fp32()) {
      sum += k_.dot(factors + run.first, row + run.first, run.count);
      return;
    }
    for (int64_t i = run.first; i < run.first + run.count; i++)
      sum += factors[i] * (i % 2 == 0 ? low_half(row[i / 2]) : high_half(row[i / 2]));
  });
  return sum;
}

}  // namespace cosface
