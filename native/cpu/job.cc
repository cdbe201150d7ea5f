#include "cpu/job.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numbers>

#include "cpu/check.h"

namespace cosface {

void prefetch_queue::add(const float* data, int64_t count) {
  if (count > 0 && count_ < capacity)
    regions_[count_++] = {reinterpret_cast<const char*>(data), reinterpret_cast<const char*>(data + count)};
}

void prefetch_queue::attach(tile_product& product, int64_t tile_rows) {
  while (at_ < count_ && regions_[at_].next >= regions_[at_].end) at_++;
  if (at_ == count_) return;
  product.prefetch = regions_[at_].next;
  product.prefetch_end = regions_[at_].end;
  regions_[at_].next += (product.rows + tile_rows - 1) / tile_rows * product.depth * cache_line;
}

job::job(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
         const call_shape& shape, const cosface_margin_softmax_plan& plan, const cpu_kernels& kernels,
         const workspace_layout& layout, void* memory, cosface_margin_softmax_results& results,
         const row_optimizer* optimizer)
    : workspace_view(memory, layout.workers, layout.worker_bytes),
      p_(problem),
      o_(options),
      shape_(shape),
      plan_(plan),
      k_(kernels),
      logit_products_(logit_products(shape, kernels)),
      gradient_products_(gradient_products(shape, kernels)),
      layout_(layout),
      results_(results),
      optimizer_(optimizer),
      base2_scale_(logit_bound(options.scale)) {}

cosface_status job::run(cosface_error* error) {
  if (auto status = take_samples(error)) return status;
  weigh_samples();
  for (int64_t c = 0; shape_.bias && c < p_.classes; c++) bias_sum_ += p_.bias[c];
  if (shape_.gradients && p_.batch == 0) finish_without_samples();
  if (results_.d_bias) std::fill_n(results_.d_bias, binary() ? 1 : p_.classes, 0.0f);
  results_.reduced_loss = 0;

  if (shape_.gradients && !gradients_in_fp32()) std::fill_n(at<float>(layout_.zeros), layout_.padded_dim, 0.0f);
  if (plan_.keep_norms)
    for (int64_t block = 0; block * plan_.class_block < shape_.classes; block++)
      new (at<std::atomic<bool>>(layout_.norms_known) + block) std::atomic<bool>(false);

  thread_team team(plan_.threads);
  for (int64_t first = 0; first < p_.batch; first += plan_.row_block) {
    run_row_block(team, {first, std::min(plan_.row_block, p_.batch - first)});
    if (not_finite_) return find_not_finite(p_, o_, class_ids_, error);
    if (too_large_ >= 0)
      return fill_error(error, COSFACE_ERROR_OPTION, "scale", -1,
                        "sample %lld has logits beyond 1e18, which single precision cannot tell apart. Shorten its row "
                        "of embeddings, the rows of weights or the bias, or normalise the rows.",
                        static_cast<long long>(too_large_));
  }
  if (binary() && results_.d_bias) *results_.d_bias = static_cast<float>(d_bias_);
  if (o_.reduction == COSFACE_REDUCTION_MEAN) results_.reduced_loss *= share_;
  results_.zero_embeddings = zero_embeddings_;
  results_.zero_weights = zero_weights_;
  return COSFACE_OK;
}

// Copies, so that nobody can change a label or a class between the check and its use.
cosface_status job::take_samples(cosface_error* error) {
  if (shape_.sampled) {
    std::copy_n(p_.class_ids, shape_.classes, at<int32_t>(layout_.class_ids));
    class_ids_ = at<int32_t>(layout_.class_ids);
    if (auto status = check_class_ids(p_, class_ids_, error)) return status;
  }
  int32_t* labels = at<int32_t>(layout_.labels);
  std::copy_n(p_.labels, p_.batch, labels);
  if (auto status = check_samples(p_, o_, labels, error)) return status;
  for (int64_t i = 0; i < p_.batch; i++) {
    if (labels[i] == o_.ignore_label) {
      labels[i] = no_class;
    } else if (shape_.sampled) {
      const int32_t* end = class_ids_ + shape_.classes;
      const int32_t* found = std::lower_bound(class_ids_, end, labels[i]);
      if (found == end || *found != labels[i]) return label_not_sampled(i, labels[i], error);
      labels[i] = static_cast<int32_t>(found - class_ids_);
    }
  }
  return COSFACE_OK;
}

void job::weigh_samples() {
  const int32_t* labels = at<int32_t>(layout_.labels);
  int64_t counted = 0;
  double largest = 0;
  for (int64_t i = 0; i < p_.batch; i++) {
    const double weight = p_.sample_weights ? p_.sample_weights[i] : 1.0;
    if (labels[i] == no_class || weight == 0) continue;
    counted++;
    largest = std::max(largest, std::abs(weight * (p_.loss_gradient ? p_.loss_gradient[i] : 1.0)));
  }
  results_.counted = counted;
  share_ = o_.reduction == COSFACE_REDUCTION_MEAN && counted > 0 ? 1.0 / static_cast<double>(counted) : 1.0;
  if (largest > 0) gradient_unit_ = std::exp2(std::round(std::log2(largest * share_)));
}

void job::run_row_block(thread_team& team, row_range block) {
  block_ = block;
  prepare_rows(team);
  if (not_finite_) return;
  const int64_t groups = (block.count + plan_.row_group - 1) / plan_.row_group;
  const auto whole_pass_1 = [&] {
    team.for_each(groups * layout_.slabs,
                  [this](int32_t worker, int64_t task) { pass_1(worker, task, pass_1_aim::exponentials); });
  };
  shifted_again_ = false;
  whole_pass_1();
  norms_known_ = plan_.keep_norms;
  if (not_finite_) return;
  if (plan_.row_shift == 2 && shift_rows_again()) {
    shifted_again_ = true;
    whole_pass_1();
  }
  if (too_large_ >= 0) return;
  if (shape_.smoothed && block.first == 0) finish_class_sums();
  team.for_each(panels(block.count), [this](int32_t worker, int64_t panel) {
    const int64_t first = panel * k_.tile_columns, end = std::min(first + k_.tile_columns, block_.count);
    for (int64_t i = first; i < end; i++) finish_row(worker, i);
    if (shape_.gradients) pack_gradient_operand(worker, panel);
  });
  add_losses();
  if (!shape_.gradients) return;
  sort_labels();
  if (shape_.smoothed) sum_batch();
  const int64_t task_classes = plan_.class_block * plan_.blocks_per_task;
  team.for_each((shape_.classes + task_classes - 1) / task_classes, [this, task_classes](int32_t worker, int64_t task) {
    const int64_t end = std::min((task + 1) * task_classes, shape_.classes);
    for (int64_t first = task * task_classes; first < end; first += plan_.class_block)
      pass_2(worker, {first, std::min(plan_.class_block, end - first)}, end);
  });
}

// In the order of the samples, which need not be that of the rows.
void job::add_losses() {
  int32_t* row_of = at<int32_t>(layout_.label_order);
  for (int64_t i = 0; i < block_.count; i++) row_of[rows()[i].sample - block_.first] = static_cast<int32_t>(i);
  for (int64_t i = 0; i < block_.count; i++) {
    results_.reduced_loss += rows()[row_of[i]].weighted_loss;
    d_bias_ += rows()[row_of[i]].d_bias;
  }
}

// Of rows that lie apart, the processor's own prefetching is as good.
void job::prefetch_weights(prefetch_queue& next, int64_t first, int64_t count) const {
  if (!shape_.sampled) next.add(weight(first), count * p_.dim);
}

// Where dw or the optimiser's state lies.
void job::prefetch_outputs(prefetch_queue& next, int64_t first, int64_t count) const {
  if (!optimizer_) return next.add(results_.d_weights + first * p_.dim, count * p_.dim);
  const float* state = optimizer_->first_state();
  if (state != nullptr && !shape_.sampled) next.add(state + first * p_.dim, count * p_.dim);
}

double job::norm(int64_t c) const {
  return norms_known_ ? at<double>(layout_.norms)[c] : std::sqrt(k_.squared_norm(weight(c), p_.dim));
}

double job::cosine(const double* unit_row, int64_t c) const {
  const double length = norm(c);
  return length < COSFACE_ZERO_NORM ? 0 : std::clamp(k_.dot(unit_row, weight(c), p_.dim) / length, -1.0, 1.0);
}

double job::score(const row_state& row, const double* unit_row, int64_t c) const {
  return cosine(unit_row, c) * row.length * (o_.normalize_weights ? 1 : norm(c));
}

// Of a row of w with this norm.
double job::class_factor(double length) const {
  if (!o_.normalize_weights) return 1;
  return length < COSFACE_ZERO_NORM ? 0 : 1 / length;
}

void job::load_unit_row(const row_state& row, double* unit_row) const {
  std::fill_n(unit_row, p_.dim, 0.0);
  k_.add_scaled(unit_row, embedding(row), row.inverse_norm, p_.dim);
}

}  // namespace cosface
