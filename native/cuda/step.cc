#include "cuda/step.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

#include "cpu/carver.h"
#include "cpu/check.h"
#include "cuda/step_faults.h"
#include "cuda/tensor_tiles.h"

namespace cosface::cuda {
namespace {

// Block and tile sizes of cuda/kernels.
constexpr int64_t rows_per_block = 4, samples_per_block = 128, tile = 128, feature_tile = 64;
constexpr unsigned row_threads = 128, sample_threads = 128, product_threads = 256, exact_threads = 128,
                   loss_threads = 256, sum_threads = 64;
constexpr unsigned product_shared_bytes = 2 * (128 + 64) * 20 * 4;
constexpr unsigned logit_shared_bytes = 128 * 68 * 4 + 4 * 64 * 12;
constexpr int64_t exact_others = 32;

// Samples' margins are checked against the range of the margin that they replace: native/cpu/check.cc.
constexpr float pi = std::numbers::pi_v<float>;
constexpr margin_bounds bounds_of_margins[] = {{0, 16, 1}, {-pi, pi, 0}, {-2, 2, 0}};

// Of label smoothing: each part some of the rows, so that there is work for all multiprocessors.
struct sum_cut {
  int64_t rows_per_part, parts;
};

sum_cut cut_sum(int64_t rows) {
  const int64_t per_part = std::max<int64_t>(1, ceil_div(rows, most_sum_parts));
  return {per_part, ceil_div(rows, per_part)};
}

class step {
 public:
  step(queue& queue, const step_plan& plan, const device_problem& problem,
       const cosface_margin_softmax_options& options, cosface_margin_softmax_results& results, std::byte* workspace)
      : queue_(queue),
        plan_(plan),
        p_(problem.problem),
        weights_{problem.problem.weights, problem.class_ids, static_cast<int32_t>(options.sub_centers),
                 options.normalize_weights},
        o_(options),
        results_(results),
        workspace_(workspace),
        base2_scale_(options.scale * std::numbers::log2e),
        whole_{.embeddings = p_.embeddings,
               .weights = weights_,
               .targets = at<int32_t>(plan.layout.targets),
               .bias = binary() ? nullptr : p_.bias,
               .shared_bias = binary() ? p_.bias : nullptr,
               .samples = at<sample_state>(plan.layout.samples),
               .batch = p_.batch,
               .classes = p_.classes,
               .dim = p_.dim,
               .base2_scale = base2_scale_,
               .options = options} {}

  void run() {
    prepare_rows();
    if (plan_.row_shift) sweep(logit_aim::row_maxima);
    sweep(logit_aim::exponentials);
    finish_rows();
    if (gradients()) {
      if (!on_tensor_cores() && results_.d_embeddings != nullptr) redo_rows();
      for (int64_t k = 0; k < plan_.chunks; k++) pass_2(chunk_of(k));
    }
    read_report();
  }

 private:
  struct chunk {
    int64_t index, first, count, padded_count;  // rows of w
  };

  template <class T>
  T* at(int64_t offset) const {
    return reinterpret_cast<T*>(workspace_ + offset);
  }

  const step_layout& layout() const { return plan_.layout; }
  bool binary() const { return o_.form == COSFACE_FORM_BINARY; }
  bool mean() const { return o_.reduction == COSFACE_REDUCTION_MEAN; }
  bool gradients() const { return plan_.shape.gradients; }
  bool on_tensor_cores() const { return plan_.tile != nullptr; }
  bool is_kept(const chunk& c) const { return c.index < plan_.kept_chunks; }

  chunk chunk_of(int64_t index) const {
    const int64_t count = plan_.classes_of(index);
    return {index, index * plan_.chunk, count, round_up(count, tile)};
  }

  // Kept chunks have places of their own; the others share the one behind them.
  float* exponentials_of(const chunk& c) const {
    return at<float>(layout().exponentials) +
           std::min(c.index, plan_.kept_chunks) * plan_.padded_chunk() * plan_.padded_batch;
  }

  std::byte* kept_of(const chunk& c) const {
    return at<std::byte>(layout().exponentials) + c.index * plan_.chunk * plan_.padded_batch * plan_.operand_bytes();
  }
  float* kept_shifts_of(const chunk& c) const {
    return at<float>(layout().kept_shifts) + c.index * plan_.kept_shifts_of_chunk();
  }
  unsigned tensor_bytes() const {
    return static_cast<unsigned>(tensor_shared_bytes(plan_.tile->dim, plan_.tile->rows, plan_.tile->columns));
  }

  void launch_over_rows(kernel which, int64_t rows, const void* params) {
    queue_.launch(which, {.grid_x = blocks(rows, rows_per_block), .block = row_threads}, params);
  }
  void launch_over_samples(kernel which, int64_t samples, const void* params) {
    queue_.launch(which, {.grid_x = blocks(samples, samples_per_block), .block = sample_threads}, params);
  }
  void launch_over_features(kernel which, int64_t parts, const void* params) {
    queue_.launch(which,
                  {.grid_x = blocks(plan_.padded_dim, sum_threads), .grid_y = blocks(parts, 1), .block = sum_threads},
                  params);
  }
  unsigned exact_shared_bytes() const { return static_cast<unsigned>((2 * exact_others + p_.dim) * 8); }
  int64_t first_class_of(const chunk& c) const { return c.first / plan_.centers; }
  int64_t classes_of(const chunk& c) const { return c.count / plan_.centers; }
  float* d_weights_of(const chunk& c) const { return results_.d_weights + c.first * p_.dim; }
  static unsigned blocks(int64_t count, int64_t per_block) { return static_cast<unsigned>(ceil_div(count, per_block)); }

  void prepare_rows();
  void sweep(logit_aim aim);
  void prepare_classes(const chunk& c);
  void pass_1_on_tensor_cores(const chunk& c);
  void form_logits(const chunk& c, logit_aim aim);
  void fold_tiles(const chunk& c, logit_aim aim);
  void multiply_logits(const chunk& c, logit_aim aim);
  void bend_scores(const chunk& c, logit_aim aim);
  void fold_runs(const chunk& c, logit_aim aim);
  void add_class_sum(const chunk& c);
  void sum_samples();
  void fold_sums(int64_t parts, bool accumulate, int64_t sum);
  void sum_bias(const chunk& c);
  void add_d_unit(const chunk& c);
  void finish_rows();
  void redo_rows();
  void pass_2(const chunk& c);
  void multiply_d_weights(const chunk& c);
  void pass_2_on_tensor_cores(const chunk& c);
  void finish_classes(const chunk& c);
  void read_report();

  queue& queue_;
  const step_plan& plan_;
  const cosface_margin_softmax_problem& p_;
  const matrix_rows weights_;
  const cosface_margin_softmax_options& o_;
  cosface_margin_softmax_results& results_;
  std::byte* const workspace_;
  const double base2_scale_;
  const source_problem whole_;
  // Here and not where they are read, so that they outlive a copy that was queued before a failure.
  first_faults faults_;
  step_report report_;
  int64_t prepared_chunk_ = -1;  // whose unit rows are there
  bool zeros_counted_ = false;
};

void step::prepare_rows() {
  const step_layout& l = layout();
  queue_.fill_bytes(at<std::byte>(l.faults), 0xff, sizeof(first_faults));
  queue_.clear(at<std::byte>(l.report), sizeof(step_report));
  const sample_margins margins{{p_.sample_m1, p_.sample_m2, p_.sample_m3}};
  count_samples_params count{.labels = p_.labels,
                             .sample_weights = p_.sample_weights,
                             .loss_gradient = p_.loss_gradient,
                             .margins = margins,
                             .bounds = {},
                             .batch = p_.batch,
                             .classes = p_.classes,
                             .ignore_label = o_.ignore_label,
                             .faults = at<first_faults>(l.faults),
                             .report = at<step_report>(l.report)};
  std::copy(std::begin(bounds_of_margins), std::end(bounds_of_margins), count.bounds);
  launch_over_samples(kernel::count_samples, p_.batch, &count);
  const prepare_rows_params prepare{.problem = whole_,
                                    .labels = p_.labels,
                                    .sample_weights = p_.sample_weights,
                                    .loss_gradient = p_.loss_gradient,
                                    .margins = margins,
                                    .padded_batch = plan_.padded_batch,
                                    .padded_dim = plan_.padded_dim,
                                    .unit_scale = on_tensor_cores() || plan_.bent ? 1 : base2_scale_,
                                    .mean = mean(),
                                    .half_operands = on_tensor_cores(),
                                    .shift = plan_.shift,
                                    .units = at<float>(l.row_units),
                                    .targets = at<int32_t>(l.targets),
                                    .shifts = at<float>(l.shifts),
                                    .target_seen = at<float>(l.target_seen),
                                    .faults = at<first_faults>(l.faults),
                                    .report = at<step_report>(l.report)};
  launch_over_rows(kernel::prepare_rows, plan_.padded_batch, &prepare);
  if (!gradients()) return;
  const order_labels_params order{.targets = at<int32_t>(l.targets),
                                  .batch = p_.batch,
                                  .order = at<int32_t>(l.order),
                                  .ordered_labels = at<int32_t>(l.ordered_labels)};
  launch_over_samples(kernel::order_labels, p_.batch, &order);
  if (plan_.smooths) sum_samples();
}

void step::sweep(logit_aim aim) {
  for (int64_t k = 0; k < plan_.chunks; k++) {
    const chunk c = chunk_of(k);
    prepare_classes(c);
    if (plan_.smooths && aim == logit_aim::exponentials) add_class_sum(c);
    if (on_tensor_cores()) {
      pass_1_on_tensor_cores(c);
      continue;
    }
    form_logits(c, aim);
    if (plan_.bent)
      fold_runs(c, aim);
    else
      fold_tiles(c, aim);
    if (aim == logit_aim::exponentials && gradients()) add_d_unit(c);
  }
  zeros_counted_ = true;
}

void step::prepare_classes(const chunk& c) {
  if (prepared_chunk_ == c.index) return;
  prepared_chunk_ = c.index;
  const prepare_classes_params prepare{.weights = weights_,
                                       .first = c.first,
                                       .count = c.count,
                                       .padded_count = c.padded_count,
                                       .dim = p_.dim,
                                       .padded_dim = plan_.padded_dim,
                                       .half_operands = on_tensor_cores(),
                                       .counts_zeros = !zeros_counted_,
                                       .bias = p_.bias,
                                       .bias_count = binary() ? 1 : p_.classes,
                                       .units = at<float>(layout().class_units),
                                       .faults = at<first_faults>(layout().faults),
                                       .report = at<step_report>(layout().report)};
  launch_over_rows(kernel::prepare_classes, c.padded_count, &prepare);
}

void step::pass_1_on_tensor_cores(const chunk& c) {
  const step_layout& l = layout();
  const pass_1_params pass{.row_units = at<std::byte>(l.row_units),
                           .class_units = at<std::byte>(l.class_units),
                           .targets = at<int32_t>(l.targets),
                           .batch = p_.batch,
                           .padded_batch = plan_.padded_batch,
                           .first = c.first,
                           .count = c.count,
                           .classes_per_part = plan_.classes_per_part,
                           .base2_scale = static_cast<float>(base2_scale_),
                           .gradients = gradients(),
                           .first_chunk = c.index == 0,
                           .partials = at<row_partial>(l.partials),
                           .parts = at<float>(l.parts),
                           .target_seen = at<float>(l.target_seen),
                           .kept = is_kept(c) ? kept_of(c) : nullptr,
                           .kept_shifts = is_kept(c) ? kept_shifts_of(c) : nullptr,
                           .kept_stride = plan_.chunk};
  queue_.launch(plan_.tile->pass_1,
                {.grid_x = blocks(p_.batch, plan_.tile->rows),
                 .grid_y = blocks(c.count, plan_.classes_per_part),
                 .block = tensor_threads,
                 .shared_bytes = tensor_bytes()},
                &pass);
}

void step::form_logits(const chunk& c, logit_aim aim) {
  if (!plan_.bent) return multiply_logits(c, aim);
  // A chunk with a place of its own has its scores from the row maxima on.
  const bool there = aim == logit_aim::exponentials && plan_.row_shift && (is_kept(c) || plan_.chunks == 1);
  if (!there) multiply_logits(c, logit_aim::scores);
  bend_scores(c, aim);
}

void step::multiply_logits(const chunk& c, logit_aim aim) {
  const step_layout& l = layout();
  const bool wanted = aim == logit_aim::scores || (aim == logit_aim::exponentials && gradients());
  const logits_fp32_params logits{.class_units = at<float>(l.class_units),
                                  .row_units = at<float>(l.row_units),
                                  .targets = at<int32_t>(l.targets),
                                  .shifts = at<float>(l.shifts),
                                  .first = c.first,
                                  .count = c.count,
                                  .padded_batch = plan_.padded_batch,
                                  .padded_dim = plan_.padded_dim,
                                  .depth = plan_.depth,
                                  .aim = aim,
                                  .exponentials = wanted ? exponentials_of(c) : nullptr,
                                  .tile_sums = at<float>(l.tile_sums),
                                  .tile_best = at<float>(l.tile_best),
                                  .tile_best_class = at<int32_t>(l.tile_best_class),
                                  .target_seen = at<float>(l.target_seen)};
  queue_.launch(kernel::logits_fp32,
                {.grid_x = blocks(plan_.padded_batch, feature_tile),
                 .grid_y = blocks(c.padded_count, tile),
                 .block = product_threads,
                 .shared_bytes = logit_shared_bytes},
                &logits);
}

void step::bend_scores(const chunk& c, logit_aim aim) {
  const step_layout& l = layout();
  const bend_scores_params bend{.problem = whole_,
                                .scores = exponentials_of(c),
                                .shifts = at<float>(l.shifts),
                                .padded_batch = plan_.padded_batch,
                                .first_class = first_class_of(c),
                                .classes = classes_of(c),
                                .padded_rows = c.padded_count,
                                .classes_per_run = plan_.classes_per_run,
                                .aim = aim,
                                .runs = at<bent_partial>(l.runs),
                                .target_seen = at<float>(l.target_seen)};
  queue_.launch(kernel::bend_scores,
                {.grid_x = blocks(plan_.padded_batch, samples_per_block),
                 .grid_y = blocks(classes_of(c), plan_.classes_per_run),
                 .block = sample_threads},
                &bend);
}

void step::fold_runs(const chunk& c, logit_aim aim) {
  const step_layout& l = layout();
  const fold_runs_params fold{.runs = at<bent_partial>(l.runs),
                              .count = ceil_div(classes_of(c), plan_.classes_per_run),
                              .padded_batch = plan_.padded_batch,
                              .aim = aim,
                              .first_chunk = c.index == 0,
                              .last_chunk = c.index == plan_.chunks - 1,
                              .shifts = at<float>(l.shifts),
                              .partials = at<bent_partial>(l.bent)};
  launch_over_samples(kernel::fold_runs, plan_.padded_batch, &fold);
}

void step::add_class_sum(const chunk& c) {
  const sum_cut cut = cut_sum(c.count);
  const sum_units_params sum{.units = at<std::byte>(layout().class_units),
                             .rows = c.count,
                             .padded_dim = plan_.padded_dim,
                             .rows_per_part = cut.rows_per_part,
                             .half_operands = on_tensor_cores(),
                             .parts = at<double>(layout().sum_parts)};
  launch_over_features(kernel::sum_units, cut.parts, &sum);
  fold_sums(cut.parts, c.index > 0, layout().class_sum);
}

void step::sum_samples() {
  const sum_cut cut = cut_sum(p_.batch);
  const sum_samples_params sum{.problem = whole_,
                               .padded_dim = plan_.padded_dim,
                               .rows_per_part = cut.rows_per_part,
                               .parts = at<double>(layout().sum_parts)};
  launch_over_features(kernel::sum_samples, cut.parts, &sum);
  fold_sums(cut.parts, false, layout().sample_sum);
}

void step::fold_sums(int64_t parts, bool accumulate, int64_t sum) {
  const fold_sums_params fold{.parts = at<double>(layout().sum_parts),
                              .count = parts,
                              .padded_dim = plan_.padded_dim,
                              .accumulate = accumulate,
                              .sum = at<double>(sum)};
  launch_over_features(kernel::fold_sums, 1, &fold);
}

void step::fold_tiles(const chunk& c, logit_aim aim) {
  const step_layout& l = layout();
  const fold_tiles_params fold{.tile_sums = at<float>(l.tile_sums),
                               .tile_best = at<float>(l.tile_best),
                               .tile_best_class = at<int32_t>(l.tile_best_class),
                               .tiles = c.padded_count / tile,
                               .padded_batch = plan_.padded_batch,
                               .aim = aim,
                               .first_chunk = c.index == 0,
                               .last_chunk = c.index == plan_.chunks - 1,
                               .shifts = at<float>(l.shifts),
                               .partials = at<row_partial>(l.partials)};
  launch_over_samples(kernel::fold_tiles, plan_.padded_batch, &fold);
}

void step::add_d_unit(const chunk& c) {
  const dx_fp32_params dx{.exponentials = exponentials_of(c),
                          .class_units = at<float>(layout().class_units),
                          .padded_batch = plan_.padded_batch,
                          .padded_dim = plan_.padded_dim,
                          .padded_count = c.padded_count,
                          .classes_per_part = plan_.classes_per_part,
                          .accumulate = c.index > 0,
                          .parts = at<float>(layout().parts)};
  queue_.launch(kernel::dx_fp32,
                {.grid_x = blocks(plan_.padded_batch, tile),
                 .grid_y = blocks(plan_.padded_dim, feature_tile),
                 .grid_z = blocks(c.padded_count, plan_.classes_per_part),
                 .block = product_threads,
                 .shared_bytes = product_shared_bytes},
                &dx);
}

void step::finish_rows() {
  const step_layout& l = layout();
  const auto where = [](bool wanted, auto* pointer) { return wanted ? pointer : nullptr; };
  const bool general = gradients() && !on_tensor_cores();
  const finish_rows_params finish{.problem = whole_,
                                  .target_seen = at<float>(l.target_seen),
                                  .partials = at<row_partial>(l.partials),
                                  .bent = where(plan_.bent, at<bent_partial>(l.bent)),
                                  .parts = where(gradients(), at<float>(l.parts)),
                                  .class_sum = where(plan_.smooths, at<double>(l.class_sum)),
                                  .padded_batch = plan_.padded_batch,
                                  .padded_dim = plan_.padded_dim,
                                  .sum_parts = on_tensor_cores() ? plan_.parts : 1,
                                  .dx_parts = plan_.parts,
                                  .mean = mean(),
                                  .report = at<step_report>(l.report),
                                  .loss = results_.loss,
                                  .target_cosine = results_.target_cosine,
                                  .d_embeddings = where(gradients(), results_.d_embeddings),
                                  .prediction = results_.prediction,
                                  .d_sample_weights = results_.d_sample_weights,
                                  .d_sample_m1 = results_.d_sample_m1,
                                  .d_sample_m2 = results_.d_sample_m2,
                                  .d_sample_m3 = results_.d_sample_m3,
                                  .scaled_rows = where(general, at<float>(l.scaled_rows)),
                                  .factors = where(gradients() && on_tensor_cores(), at<row_factor>(l.factors)),
                                  .bias = where(gradients() && plan_.shape.bias, at<bias_terms>(l.bias_terms)),
                                  .corrected_row = where(general, at<int32_t>(l.corrected_row)),
                                  .corrected = where(general, at<float>(l.corrected)),
                                  .redo = where(general, at<int32_t>(l.redo_rows))};
  launch_over_rows(kernel::finish_rows, plan_.padded_batch, &finish);
  const add_losses_params add{.samples = at<sample_state>(l.samples),
                              .batch = p_.batch,
                              .mean = mean(),
                              .d_bias = where(binary() && gradients(), results_.d_bias),
                              .report = at<step_report>(l.report)};
  queue_.launch(kernel::add_losses, {.block = loss_threads, .shared_bytes = loss_threads * 8}, &add);
}

void step::redo_rows() {
  const step_layout& l = layout();
  const redo_rows_params redo{
      .problem = whole_, .redo = at<int32_t>(l.redo_rows), .d_embeddings = results_.d_embeddings};
  queue_.launch(kernel::redo_rows,
                {.grid_x = blocks(p_.batch, 1), .block = exact_threads, .shared_bytes = exact_shared_bytes()}, &redo);
}

void step::pass_2(const chunk& c) {
  if (!is_kept(c)) prepare_classes(c);
  if (on_tensor_cores())
    pass_2_on_tensor_cores(c);
  else
    multiply_d_weights(c);
  finish_classes(c);
}

void step::multiply_d_weights(const chunk& c) {
  const step_layout& l = layout();
  if (!is_kept(c)) form_logits(c, logit_aim::exponentials);
  const patch_exponentials_params patch{.corrected_row = at<int32_t>(l.corrected_row),
                                        .corrected = at<float>(l.corrected),
                                        .batch = p_.batch,
                                        .padded_batch = plan_.padded_batch,
                                        .first = c.first,
                                        .count = c.count,
                                        .exponentials = exponentials_of(c)};
  launch_over_samples(kernel::patch_exponentials, p_.batch, &patch);
  if (results_.d_bias != nullptr && !binary()) sum_bias(c);
  const dw_fp32_params dw{.exponentials = exponentials_of(c),
                          .scaled_rows = at<float>(l.scaled_rows),
                          .padded_batch = plan_.padded_batch,
                          .padded_dim = plan_.padded_dim,
                          .count = c.count,
                          .dim = p_.dim,
                          .d_weights = d_weights_of(c)};
  queue_.launch(kernel::dw_fp32,
                {.grid_x = blocks(c.padded_count, tile),
                 .grid_y = blocks(plan_.padded_dim, feature_tile),
                 .block = product_threads,
                 .shared_bytes = product_shared_bytes},
                &dw);
}

void step::sum_bias(const chunk& c) {
  const sum_bias_params sum{.exponentials = exponentials_of(c),
                            .terms = at<bias_terms>(layout().bias_terms),
                            .targets = at<int32_t>(layout().targets),
                            .batch = p_.batch,
                            .padded_batch = plan_.padded_batch,
                            .first_class = first_class_of(c),
                            .classes = classes_of(c),
                            .centers = static_cast<int32_t>(plan_.centers),
                            .d_bias = results_.d_bias + first_class_of(c)};
  launch_over_rows(kernel::sum_bias, classes_of(c), &sum);
}

void step::pass_2_on_tensor_cores(const chunk& c) {
  const step_layout& l = layout();
  const pass_2_params pass{.row_units = at<std::byte>(l.row_units),
                           .class_units = at<std::byte>(l.class_units),
                           .factors = at<row_factor>(l.factors),
                           .report = at<step_report>(l.report),
                           .batch = p_.batch,
                           .padded_batch = plan_.padded_batch,
                           .first = c.first,
                           .count = c.count,
                           .base2_scale = static_cast<float>(base2_scale_),
                           .log2_scale = static_cast<float>(std::log2(o_.scale)),
                           .kept = is_kept(c) ? kept_of(c) : nullptr,
                           .kept_shifts = is_kept(c) ? kept_shifts_of(c) : nullptr,
                           .kept_stride = plan_.chunk,
                           .d_weights = d_weights_of(c)};
  queue_.launch(plan_.tile->pass_2,
                {.grid_x = blocks(c.count, plan_.tile->rows), .block = tensor_threads, .shared_bytes = tensor_bytes()},
                &pass);
}

void step::finish_classes(const chunk& c) {
  const step_layout& l = layout();
  const finish_classes_params finish{.problem = whole_,
                                     .order = at<int32_t>(l.order),
                                     .ordered_labels = at<int32_t>(l.ordered_labels),
                                     .sample_sum = plan_.smooths ? at<double>(l.sample_sum) : nullptr,
                                     .report = at<step_report>(l.report),
                                     .first = c.first,
                                     .count = c.count,
                                     .mean = mean(),
                                     .half_products = on_tensor_cores(),
                                     .d_weights = d_weights_of(c),
                                     .redo = on_tensor_cores() ? nullptr : at<int32_t>(l.redo_classes)};
  launch_over_rows(kernel::finish_classes, c.count, &finish);
  if (on_tensor_cores()) return;
  const redo_classes_params redo{.problem = whole_,
                                 .order = at<int32_t>(l.order),
                                 .ordered_labels = at<int32_t>(l.ordered_labels),
                                 .redo = at<int32_t>(l.redo_classes),
                                 .exponentials = exponentials_of(c),
                                 .first = c.first,
                                 .count = c.count,
                                 .padded_batch = plan_.padded_batch,
                                 .d_weights = d_weights_of(c)};
  queue_.launch(kernel::redo_classes,
                {.grid_x = blocks(c.count, 1), .block = exact_threads, .shared_bytes = exact_shared_bytes()}, &redo);
}

void step::read_report() {
  queue_.copy_from_device(&faults_, at<std::byte>(layout().faults), sizeof faults_);
  queue_.copy_from_device(&report_, at<std::byte>(layout().report), sizeof report_);
  queue_.synchronize();
  throw_faults(queue_, faults_, {p_, weights_.ids}, o_);
  results_.reduced_loss = report_.reduced_loss;
  results_.counted = report_.counted;
  results_.zero_embeddings = report_.zero_embeddings;
  results_.zero_weights = report_.zero_weights;
}

}  // namespace

void run_step(queue& queue, const step_plan& plan, const device_problem& problem,
              const cosface_margin_softmax_options& options, cosface_margin_softmax_results& results,
              std::byte* workspace) {
  step step(queue, plan, problem, options, results, workspace);
  try {
    step.run();
  } catch (...) {
    // The caller may give its memory to others now, where what was queued before the failure would still write.
    static_cast<void>(queue.device().api().stream_synchronize(queue.stream()));
    throw;
  }
}

}  // namespace cosface::cuda
