// The CPU driver: fused normalise, cosine, margin, softmax, forward and backward, without N x C.
//
// Classes lie on the broadcast axis and samples or features on the vector axis, so that the
// exponentials, stored [class][sample], serve as an operand of both gradient products as they are:
//
//   logits   R[c, i]  = sum_d w^[c, d] xT[d, i]    xT = s log2(e) x^, packed once a row block
//            E[c, i]  = 2^(R[c, i] + shift_i), 0 where c = y_i
//   dx       G[i, d] += sum_c E[c, i] w^[c, d]
//   dw       H[c, d]  = sum_i E[c, i] (f_i x^[i, d]),   f_i = upstream_i s / Z_i
//
// The target never enters the products: its loss and both its gradient terms are added in double,
// which keeps confident rows exact (docs/math.md derives this, and the projections that follow).
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numbers>

#include "cosface/margin_softmax.h"
#include "cpu/check.h"
#include "cpu/isa.h"
#include "cpu/plan.h"
#include "cpu/row_state.h"
#include "cpu/thread_team.h"
#include "cpu/workspace.h"
#include "reference/margin.h"

namespace cosface {
namespace {

// Depth of one register-resident sum. Splitting long sums bounds the rounding error and lets a
// panel of the vector operand (depth x NR floats) stay in L1.
constexpr int64_t feature_depth = 64;
constexpr int64_t sample_depth = 128;
// A negative that makes up more than this part of a row's sum gets its cosine again in double.
constexpr double dominant_part = 1.0 / 64;
constexpr float not_corrected = -1;
// A projection that shortens the fp32 sum by more than this shows its rounding; the sum is then formed
// again in double. Rare: in few dimensions, or where samples and centres have collapsed onto a line.
constexpr double largest_shortening = 4;
// Stands for a logit that must not count: 2^(this + shift) is 0, and it is below every real logit.
constexpr float no_logit = -1e30f;

// Calls f(start, rows) for `count` rows cut into tiles of nearly equal height, at most `tile`.
template <class function>
void for_each_tile(int64_t count, int64_t tile, const function& f) {
  const int64_t tiles = (count + tile - 1) / tile;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t start = count * t / tiles;
    f(start, count * (t + 1) / tiles - start);
  }
}

struct class_range {
  int64_t first, count;
};

struct row_range {
  int64_t first, count;
};

// Where strips of logits go: panel after panel side by side, or (panel_stride 0) each over the last.
struct strip_target {
  float* data;
  int64_t ld;
  int64_t panel_stride;
};

enum class pass_1_aim {
  row_maxima,
  exponentials
};

// Long enough for the widest tile of any kernel.
constexpr int64_t largest_tile_columns = 64;

class job {
 public:
  job(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
      const call_shape& shape, const cosface_margin_softmax_plan& plan, const cpu_kernels& kernels, void* memory,
      cosface_margin_softmax_results& results)
      : p_(problem),
        o_(options),
        shape_(shape),
        plan_(plan),
        k_(kernels),
        layout_(lay_out(shape, plan, kernels)),
        memory_(static_cast<char*>(memory)),
        results_(results),
        base2_scale_(logit_bound(options.scale)) {}

  cosface_status run(cosface_error* error);

 private:
  template <class type>
  type* at(int64_t offset) const {
    return reinterpret_cast<type*>(memory_ + offset);
  }
  template <class type>
  type* of_worker(int32_t worker, int64_t offset) const {
    return at<type>(layout_.workers + worker * layout_.worker_bytes + offset);
  }
  int64_t panels(int64_t rows) const { return (rows + k_.tile_columns - 1) / k_.tile_columns; }

  void weigh_samples();
  void run_row_block(thread_team& team, row_range block);
  void prepare_panel(int32_t worker, int64_t panel);
  void prepare_row(row_state& row, int64_t i, double* unit_row);
  void find_row_shifts(thread_team& team);
  void fix_shifts(double shift);
  void pass_1(int32_t worker, int64_t task, pass_1_aim aim);
  int64_t pack_classes(float* packed, class_range classes);
  template <class function>
  void logits(const float* packed, class_range classes, row_range rows, strip_target out, const function& use);
  void take_targets(class_range classes, int64_t row, float* strip, int64_t ld);
  void add_d_unit(const float* packed, int64_t count, row_range rows, strip_target e, int64_t slab, bool first);
  void load_unit_row(int64_t i, double* unit_row) const;
  double cosine(const double* unit_row, int64_t c) const;
  double sum_negatives(int64_t i, double* unit_row);
  double seen_exponential(int64_t k, int64_t i) const;
  void add_corrections(int64_t i, double* sum) const;
  void apply_corrections(class_range classes, float* e, int64_t ld) const;
  void finish_row(int32_t worker, int64_t i);
  int32_t predict(int64_t i) const;
  void write_d_embedding(int32_t worker, int64_t i);
  void sum_negatives_of_row(int64_t i, double* sum) const;
  void sum_negatives_of_row_in_double(int64_t i, double* unit_row, double* sum) const;
  void sum_negatives_of_class_in_double(int64_t c, double* unit_class, double* sum) const;
  void write_gradient_operand(int64_t i);
  void sort_labels();
  void recompute(const float* packed, class_range classes, strip_target out);
  void pass_2(int32_t worker, int64_t task);
  void multiply_d_weights(const float* e, int64_t ld, int64_t count, float* product);
  void finish_class(int32_t worker, int64_t c, const float* product);
  void add_targets_of_class(int64_t c, double* sum) const;
  bool shortened(double squared_length, const double* sum, const float* row, double squared_row) const;

  const cosface_margin_softmax_problem& p_;
  const cosface_margin_softmax_options& o_;
  const call_shape shape_;
  const cosface_margin_softmax_plan& plan_;
  const cpu_kernels& k_;
  const workspace_layout layout_;
  char* const memory_;
  cosface_margin_softmax_results& results_;
  const double base2_scale_;

  row_range block_{};         // the row block in work
  double share_ = 1;          // 1 / counted for the mean
  double gradient_unit_ = 1;  // a power of two near the largest |upstream|, kept out of the fp32 operand
  std::atomic<bool> not_finite_{false};
  std::atomic<int64_t> zero_embeddings_{0}, zero_weights_{0};
};

cosface_status job::run(cosface_error* error) {
  int32_t* labels = at<int32_t>(layout_.labels);
  std::copy_n(p_.labels, p_.batch, labels);
  if (auto status = check_samples(p_, o_, labels, error)) return status;
  weigh_samples();
  if (shape_.gradients && p_.batch == 0) std::fill_n(results_.d_weights, p_.classes * p_.dim, 0.0f);
  results_.reduced_loss = 0;

  thread_team team(plan_.threads);
  for (int64_t first = 0; first < p_.batch; first += plan_.row_block) {
    run_row_block(team, {first, std::min(plan_.row_block, p_.batch - first)});
    if (not_finite_) return find_not_finite(p_, error);
  }
  if (o_.reduction == COSFACE_REDUCTION_MEAN) results_.reduced_loss *= share_;
  results_.zero_embeddings = zero_embeddings_;
  results_.zero_weights = zero_weights_;
  return COSFACE_OK;
}

void job::weigh_samples() {
  const int32_t* labels = at<int32_t>(layout_.labels);
  int64_t counted = 0;
  double largest = 0;
  for (int64_t i = 0; i < p_.batch; i++) {
    const double weight = p_.sample_weights ? p_.sample_weights[i] : 1.0;
    if (labels[i] == o_.ignore_label || weight == 0) continue;
    counted++;
    largest = std::max(largest, std::abs(weight * (p_.loss_gradient ? p_.loss_gradient[i] : 1.0)));
  }
  results_.counted = counted;
  share_ = o_.reduction == COSFACE_REDUCTION_MEAN && counted > 0 ? 1.0 / static_cast<double>(counted) : 1.0;
  if (largest > 0) gradient_unit_ = std::exp2(std::round(std::log2(largest * share_)));
}

void job::run_row_block(thread_team& team, row_range block) {
  block_ = block;
  const int64_t block_panels = panels(block.count);
  team.for_each(block_panels, [this](int32_t worker, int64_t panel) { prepare_panel(worker, panel); });
  if (not_finite_) return;
  if (plan_.row_shift)
    find_row_shifts(team);
  else
    fix_shifts(fixed_shift(o_.scale, p_.classes));

  const int64_t groups = (block.count + plan_.row_group - 1) / plan_.row_group;
  team.for_each(groups * layout_.slabs,
                [this](int32_t worker, int64_t task) { pass_1(worker, task, pass_1_aim::exponentials); });
  if (not_finite_) return;
  team.for_each(block_panels, [this, &block](int32_t worker, int64_t panel) {
    const int64_t first = panel * k_.tile_columns, end = std::min(first + k_.tile_columns, block.count);
    for (int64_t i = first; i < end; i++) finish_row(worker, i);
  });
  const row_state* rows = at<row_state>(layout_.rows);
  for (int64_t i = 0; i < block.count; i++) results_.reduced_loss += rows[i].weighted_loss;
  if (!shape_.gradients) return;
  sort_labels();
  const int64_t class_blocks = (p_.classes + plan_.class_block - 1) / plan_.class_block;
  team.for_each(class_blocks, [this](int32_t worker, int64_t task) { pass_2(worker, task); });
}

// Rows of one panel: norms, the packed operand [D][NR] of the logits, targets. Lanes without a row are 0.
void job::prepare_panel(int32_t worker, int64_t panel) {
  const int64_t columns = k_.tile_columns, first = panel * columns;
  float* operand = at<float>(layout_.logit_operand) + first * p_.dim;
  double* unit_row = of_worker<double>(worker, layout_.worker_row);
  row_state* rows = at<row_state>(layout_.rows);
  for (int64_t lane = 0; lane < columns; lane++) {
    const int64_t i = first + lane;
    if (i >= block_.count) {
      for (int64_t d = 0; d < p_.dim; d++) operand[d * columns + lane] = 0;
      continue;
    }
    prepare_row(rows[i], i, unit_row);
    for (int64_t d = 0; d < p_.dim; d++) operand[d * columns + lane] = static_cast<float>(unit_row[d] * base2_scale_);
  }
}

void job::prepare_row(row_state& row, int64_t i, double* unit_row) {
  const int64_t sample = block_.first + i;
  const float* x = p_.embeddings + sample * p_.dim;
  const double norm = std::sqrt(k_.squared_norm(x, p_.dim));
  if (!std::isfinite(norm)) not_finite_ = true;
  const bool zero = norm < COSFACE_ZERO_NORM;
  if (zero) zero_embeddings_++;
  row = {};
  row.inverse_norm = zero ? 0 : 1 / norm;
  load_unit_row(i, unit_row);

  row.label = at<int32_t>(layout_.labels)[sample];
  row.target_seen = -std::numeric_limits<float>::infinity();
  row.ignored = row.label == o_.ignore_label;
  if (row.ignored) return;
  row.target_cosine = cosine(unit_row, row.label);
  const margins m = sample_margins_of({o_.m1, o_.m2, o_.m3}, o_.sample_margin_term,
                                      p_.sample_margins ? p_.sample_margins + sample : nullptr);
  const margined_cosine target = apply_margin(row.target_cosine, m, o_.gradient);
  row.target_logit = base2_scale_ * target.value;
  row.target_slope = target.slope;
  row.weight = p_.sample_weights ? p_.sample_weights[sample] : 1.0;
  row.upstream = row.weight * share_ * (p_.loss_gradient ? p_.loss_gradient[sample] : 1.0);
}

void job::load_unit_row(int64_t i, double* unit_row) const {
  std::fill_n(unit_row, p_.dim, 0.0);
  k_.add_scaled(unit_row, p_.embeddings + (block_.first + i) * p_.dim, at<row_state>(layout_.rows)[i].inverse_norm,
                p_.dim);
}

double job::cosine(const double* unit_row, int64_t c) const {
  const float* w = p_.weights + c * p_.dim;
  const double norm = std::sqrt(k_.squared_norm(w, p_.dim));
  return norm < COSFACE_ZERO_NORM ? 0 : std::clamp(k_.dot(unit_row, w, p_.dim) / norm, -1.0, 1.0);
}

void job::fix_shifts(double shift) {
  std::fill_n(at<float>(layout_.shift), layout_.padded_rows, static_cast<float>(shift));
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

void job::pass_1(int32_t worker, int64_t task, pass_1_aim aim) {
  const int64_t slab = task % layout_.slabs, group = task / layout_.slabs;
  const row_range rows{group * plan_.row_group, std::min(plan_.row_group, block_.count - group * plan_.row_group)};
  const int64_t slab_first = slab * plan_.class_slab, slab_end = std::min(slab_first + plan_.class_slab, p_.classes);
  const int64_t slab_rows = slab * layout_.padded_rows, padded = panels(rows.count) * k_.tile_columns;
  double* const sums = at<double>(layout_.sums) + slab_rows;
  float* const best = at<float>(layout_.best) + slab_rows;
  int32_t* const best_class = at<int32_t>(layout_.best_class) + slab_rows;
  std::fill_n(sums + rows.first, padded, 0.0);
  std::fill_n(best + rows.first, padded, -std::numeric_limits<float>::infinity());
  std::fill_n(best_class + rows.first, padded, 0);

  const bool maxima = aim == pass_1_aim::row_maxima, gradients = shape_.gradients && !maxima;
  const int64_t columns = k_.tile_columns;
  float* packed = of_worker<float>(worker, layout_.worker_weights);
  for (int64_t first = slab_first; first < slab_end; first += plan_.class_block) {
    const class_range classes{first, std::min(plan_.class_block, slab_end - first)};
    const int64_t zeros = pack_classes(packed, classes);
    if (group == 0 && block_.first == 0 && !maxima) zero_weights_ += zeros;
    strip_target out{of_worker<float>(worker, layout_.worker_exponentials), columns, 0};
    if (gradients) out = {out.data, layout_.scratch_ld, columns};
    if (gradients && plan_.keep)
      out = {at<float>(layout_.exponentials) + first * layout_.exponential_ld + rows.first, layout_.exponential_ld,
             columns};
    logits(packed, classes, rows, out, [&](logit_strip strip, int64_t row) {
      strip.best = best + row;
      strip.best_class = best_class + row;
      if (maxima) return k_.maxima(strip);
      float strip_sums[largest_tile_columns];
      k_.exponentials(strip, at<float>(layout_.shift) + row, strip_sums);
      for (int64_t lane = 0; lane < columns; lane++) sums[row + lane] += strip_sums[lane];
    });
    if (gradients) add_d_unit(packed, classes.count, rows, out, slab, first == slab_first);
  }
}

// w^ of a class block, zero-padded to whole tiles. Returns how many rows count as zero.
int64_t job::pack_classes(float* packed, class_range classes) {
  int64_t zeros = 0;
  for (int64_t c = 0; c < classes.count; c++) {
    const float* w = p_.weights + (classes.first + c) * p_.dim;
    const double norm = std::sqrt(k_.squared_norm(w, p_.dim));
    if (!std::isfinite(norm)) not_finite_ = true;
    const bool zero = norm < COSFACE_ZERO_NORM;
    zeros += zero;
    float* row = packed + c * layout_.weight_ld;
    k_.scale(row, w, zero ? 0 : 1 / norm, p_.dim);
    std::fill(row + p_.dim, row + layout_.padded_dim, 0.0f);
  }
  return zeros;
}

// Base-2 logits of a class block against some rows, a strip of NR rows at a time, targets taken out;
// use(strip, row) goes on with each while it is in cache.
template <class function>
void job::logits(const float* packed, class_range classes, row_range rows, strip_target out, const function& use) {
  const int64_t columns = k_.tile_columns;
  for (int64_t panel = 0; panel < panels(rows.count); panel++) {
    const int64_t row = rows.first + panel * columns;
    const float* operand = at<float>(layout_.logit_operand) + row * p_.dim;
    float* strip = out.data + panel * out.panel_stride;
    for (int64_t d = 0; d < p_.dim; d += feature_depth)
      for_each_tile(classes.count, k_.tile_rows, [&](int64_t c, int64_t height) {
        k_.multiply_rows({height, std::min(feature_depth, p_.dim - d), packed + c * layout_.weight_ld + d,
                          layout_.weight_ld, operand + d * columns, columns, strip + c * out.ld, out.ld, d > 0});
      });
    take_targets(classes, row, strip, out.ld);
    use({classes.count, strip, out.ld, static_cast<int32_t>(classes.first), nullptr, nullptr}, row);
  }
}

// The targets of this strip step out of the softmax's sum; their fp32 logit stays known, because the
// prediction compares it with logits of the same making.
void job::take_targets(class_range classes, int64_t row, float* strip, int64_t ld) {
  row_state* rows = at<row_state>(layout_.rows);
  const int64_t end = std::min<int64_t>(row + k_.tile_columns, block_.count);
  for (int64_t i = row; i < end; i++) {
    const int64_t c = rows[i].label - classes.first;
    if (rows[i].ignored || c < 0 || c >= classes.count) continue;
    float& logit = strip[c * ld + (i - row)];
    rows[i].target_seen = logit;
    logit = no_logit;
  }
}

void job::add_d_unit(const float* packed, int64_t count, row_range rows, strip_target e, int64_t slab, bool first) {
  const int64_t columns = k_.tile_columns, dim_panels = layout_.padded_dim / columns;
  for (int64_t panel = 0; panel < dim_panels; panel++) {
    float* sum = at<float>(layout_.d_unit) + ((slab * dim_panels + panel) * layout_.padded_rows + rows.first) * columns;
    for_each_tile(rows.count, k_.tile_rows, [&](int64_t i, int64_t height) {
      k_.multiply_columns({height, count, e.data + i, e.ld, packed + panel * columns, layout_.weight_ld,
                           sum + i * columns, columns, !first});
    });
  }
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
  const row_state& row = at<row_state>(layout_.rows)[i];
  if (row.target_seen > highest || (row.target_seen == highest && row.label < winner)) winner = row.label;
  return winner;
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
    if (!loaded) load_unit_row(i, unit_row);
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

// What the corrected exponentials change in dx.
void job::add_corrections(int64_t i, double* sum) const {
  const double per_negative = at<row_state>(layout_.rows)[i].negative_factor;
  for (int64_t slab = 0; slab < layout_.slabs; slab++) {
    const int64_t k = slab * layout_.padded_rows + i;
    const float corrected = at<float>(layout_.corrected)[k];
    if (corrected == not_corrected) continue;
    const float* w = p_.weights + at<int32_t>(layout_.best_class)[k] * p_.dim;
    const double norm = std::sqrt(k_.squared_norm(w, p_.dim));
    if (norm >= COSFACE_ZERO_NORM)
      k_.add_scaled(sum, w, (corrected - seen_exponential(k, i)) * per_negative / norm, p_.dim);
  }
}

// Puts the corrected exponentials of a class block where pass 2 reads them.
void job::apply_corrections(class_range classes, float* e, int64_t ld) const {
  const int64_t first = classes.first / plan_.class_slab * layout_.padded_rows;
  for (int64_t i = 0; i < block_.count; i++) {
    const float corrected = at<float>(layout_.corrected)[first + i];
    const int64_t c = at<int32_t>(layout_.best_class)[first + i] - classes.first;
    if (corrected != not_corrected && c >= 0 && c < classes.count) e[c * ld + i] = corrected;
  }
}

void job::finish_row(int32_t worker, int64_t i) {
  row_state& row = at<row_state>(layout_.rows)[i];
  const int64_t sample = block_.first + i;
  const double negatives = sum_negatives(i, of_worker<double>(worker, layout_.worker_row));
  // u = log2 of (sum of the other exponentials / the target's); p_y = 1 / (1 + 2^u)
  const double u = std::log2(negatives) - (row.target_logit + at<float>(layout_.shift)[i]);
  const double tail = std::exp2(-std::abs(u));
  const double miss = (u > 0 ? 1 : tail) / (1 + tail);
  row.weighted_loss = row.ignored ? 0 : row.weight * (std::max(u, 0.0) * std::numbers::ln2 + std::log1p(tail));

  if (results_.loss) results_.loss[sample] = static_cast<float>(row.weighted_loss);
  if (results_.target_cosine) results_.target_cosine[sample] = static_cast<float>(row.target_cosine);
  if (results_.prediction) results_.prediction[sample] = predict(i);
  if (!shape_.gradients) return;
  row.target_factor = -row.upstream * o_.scale * miss * row.target_slope;
  row.negative_factor = negatives > 0 ? row.upstream * o_.scale * miss / negatives : 0;
  write_d_embedding(worker, i);
  write_gradient_operand(i);
}

// Whether the component of `sum` across `row` is so much shorter than what was summed in fp32 that the
// rounding of that matters.
bool job::shortened(double squared_length, const double* sum, const float* row, double squared_row) const {
  double squared_sum = 0;
  for (int64_t d = 0; d < p_.dim; d++) squared_sum += sum[d] * sum[d];
  const double along = k_.dot(sum, row, p_.dim);
  const double across = squared_sum - along * along / squared_row;
  return squared_length > largest_shortening * largest_shortening * across;
}

// dx = (g - (g . x^) x^) / |x|,  g = negative_factor sum_c E w^_c + target_factor w^_y
void job::write_d_embedding(int32_t worker, int64_t i) {
  const row_state& row = at<row_state>(layout_.rows)[i];
  float* out = results_.d_embeddings + (block_.first + i) * p_.dim;
  if (p_.dim == 1 || row.inverse_norm == 0) {  // nothing can turn on a line; rounding must not say otherwise
    std::fill_n(out, p_.dim, 0.0f);
    return;
  }
  double* sum = of_worker<double>(worker, layout_.worker_row);
  const float* x = p_.embeddings + (block_.first + i) * p_.dim;
  const double squared = k_.squared_norm(x, p_.dim);
  const auto add_target = [&] {
    if (row.ignored) return;
    const float* w = p_.weights + row.label * p_.dim;
    const double norm = std::sqrt(k_.squared_norm(w, p_.dim));
    if (norm >= COSFACE_ZERO_NORM) k_.add_scaled(sum, w, row.target_factor / norm, p_.dim);
  };
  sum_negatives_of_row(i, sum);
  double squared_length = 0;
  for (int64_t d = 0; d < p_.dim; d++) squared_length += sum[d] * sum[d];
  add_target();
  if (shortened(squared_length, sum, x, squared)) {
    sum_negatives_of_row_in_double(i, of_worker<double>(worker, layout_.worker_unit_row), sum);
    add_target();
  }
  k_.project(out, sum, x, k_.dot(sum, x, p_.dim) / squared, row.inverse_norm, p_.dim, false);
}

void job::sum_negatives_of_row(int64_t i, double* sum) const {
  const int64_t columns = k_.tile_columns, slab_stride = layout_.padded_dim * layout_.padded_rows;
  const double factor = at<row_state>(layout_.rows)[i].negative_factor;
  for (int64_t d = 0; d < p_.dim; d++) {
    const float* part = at<float>(layout_.d_unit) + (d / columns * layout_.padded_rows + i) * columns + d % columns;
    double g = 0;
    for (int64_t slab = 0; slab < layout_.slabs; slab++) g += part[slab * slab_stride];
    sum[d] = g * factor;
  }
  add_corrections(i, sum);
}

void job::sum_negatives_of_row_in_double(int64_t i, double* unit_row, double* sum) const {
  const row_state& row = at<row_state>(layout_.rows)[i];
  const double shift = at<float>(layout_.shift)[i];
  load_unit_row(i, unit_row);
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t c = 0; c < p_.classes; c++) {
    const float* w = p_.weights + c * p_.dim;
    const double norm = std::sqrt(k_.squared_norm(w, p_.dim));
    if (norm < COSFACE_ZERO_NORM || (c == row.label && !row.ignored)) continue;
    const double e = std::exp2(base2_scale_ * (k_.dot(unit_row, w, p_.dim) / norm) + shift);
    k_.add_scaled(sum, w, e * row.negative_factor / norm, p_.dim);
  }
}

void job::write_gradient_operand(int64_t i) {
  const int64_t columns = k_.tile_columns;
  const float* x = p_.embeddings + (block_.first + i) * p_.dim;
  const row_state& row = at<row_state>(layout_.rows)[i];
  const double f = row.negative_factor / gradient_unit_ * row.inverse_norm;
  for (int64_t d = 0; d < layout_.padded_dim; d++) {
    float* out = at<float>(layout_.gradient_operand) + (d / columns * plan_.row_block + i) * columns + d % columns;
    *out = d < p_.dim ? static_cast<float>(x[d] * f) : 0.0f;
  }
}

void job::sort_labels() {
  const row_state* rows = at<row_state>(layout_.rows);
  int32_t* order = at<int32_t>(layout_.label_order);
  for (int64_t i = 0; i < block_.count; i++) order[i] = static_cast<int32_t>(i);
  std::sort(order, order + block_.count, [rows](int32_t a, int32_t b) {
    return rows[a].label != rows[b].label ? rows[a].label < rows[b].label : a < b;
  });
}

// The exponentials of a class block once more, for all rows of the row block.
void job::recompute(const float* packed, class_range classes, strip_target out) {
  logits(packed, classes, {0, block_.count}, out, [&](logit_strip strip, int64_t row) {
    float best[largest_tile_columns] = {}, sums[largest_tile_columns];
    int32_t best_class[largest_tile_columns] = {};
    strip.best = best;
    strip.best_class = best_class;
    k_.exponentials(strip, at<float>(layout_.shift) + row, sums);
  });
}

void job::pass_2(int32_t worker, int64_t task) {
  const class_range classes{task * plan_.class_block,
                            std::min(plan_.class_block, p_.classes - task * plan_.class_block)};
  float* e = at<float>(layout_.exponentials) + classes.first * layout_.exponential_ld;
  int64_t ld = layout_.exponential_ld;
  if (!plan_.keep) {
    float* packed = of_worker<float>(worker, layout_.worker_weights);
    const strip_target again{of_worker<float>(worker, layout_.worker_exponentials), layout_.scratch_ld,
                             k_.tile_columns};
    pack_classes(packed, classes);
    recompute(packed, classes, again);
    e = again.data;
    ld = again.ld;
  }
  apply_corrections(classes, e, ld);
  float* product = of_worker<float>(worker, layout_.worker_product);
  multiply_d_weights(e, ld, classes.count, product);
  for (int64_t c = 0; c < classes.count; c++) finish_class(worker, classes.first + c, product + c * layout_.padded_dim);
}

void job::multiply_d_weights(const float* e, int64_t ld, int64_t count, float* product) {
  const int64_t columns = k_.tile_columns;
  for (int64_t panel = 0; panel < layout_.padded_dim / columns; panel++) {
    const float* operand = at<float>(layout_.gradient_operand) + panel * plan_.row_block * columns;
    for (int64_t i = 0; i < block_.count; i += sample_depth)
      for_each_tile(count, k_.tile_rows, [&](int64_t c, int64_t height) {
        k_.multiply_rows({height, std::min(sample_depth, block_.count - i), e + c * ld + i, ld, operand + i * columns,
                          columns, product + c * layout_.padded_dim + panel * columns, layout_.padded_dim, i > 0});
      });
  }
}

// dw_c = (h - (h . w^) w^) / |w|,  h = the product's row + sum over the samples of class c of
// target_factor x^. The projection is linear, so each row block is finished for itself and added.
void job::finish_class(int32_t worker, int64_t c, const float* product) {
  const float* w = p_.weights + c * p_.dim;
  float* out = results_.d_weights + c * p_.dim;
  const bool first = block_.first == 0;
  const double squared = k_.squared_norm(w, p_.dim);
  if (p_.dim == 1 || std::sqrt(squared) < COSFACE_ZERO_NORM) {
    if (first) std::fill_n(out, p_.dim, 0.0f);
    return;
  }
  double* sum = of_worker<double>(worker, layout_.worker_row);
  std::fill_n(sum, p_.dim, 0.0);
  k_.add_scaled(sum, product, gradient_unit_, p_.dim);
  add_targets_of_class(c, sum);
  if (shortened(k_.squared_norm(product, p_.dim) * gradient_unit_ * gradient_unit_, sum, w, squared)) {
    sum_negatives_of_class_in_double(c, of_worker<double>(worker, layout_.worker_unit_row), sum);
    add_targets_of_class(c, sum);
  }
  k_.project(out, sum, w, k_.dot(sum, w, p_.dim) / squared, 1 / std::sqrt(squared), p_.dim, !first);
}

void job::add_targets_of_class(int64_t c, double* sum) const {
  const row_state* rows = at<row_state>(layout_.rows);
  const int32_t* order = at<int32_t>(layout_.label_order);
  const int32_t* end = order + block_.count;
  const auto below = [rows](int32_t a, int64_t label) { return rows[a].label < label; };
  for (const int32_t* i = std::lower_bound(order, end, c, below); i != end && rows[*i].label == c; i++)
    if (!rows[*i].ignored)
      k_.add_scaled(sum, p_.embeddings + (block_.first + *i) * p_.dim, rows[*i].target_factor * rows[*i].inverse_norm,
                    p_.dim);
}

void job::sum_negatives_of_class_in_double(int64_t c, double* unit_class, double* sum) const {
  const float* w = p_.weights + c * p_.dim;
  std::fill_n(unit_class, p_.dim, 0.0);
  k_.add_scaled(unit_class, w, 1 / std::sqrt(k_.squared_norm(w, p_.dim)), p_.dim);
  std::fill_n(sum, p_.dim, 0.0);
  for (int64_t i = 0; i < block_.count; i++) {
    const row_state& row = at<row_state>(layout_.rows)[i];
    if (row.ignored || row.label == c) continue;
    const float* x = p_.embeddings + (block_.first + i) * p_.dim;
    const double cosine = k_.dot(unit_class, x, p_.dim) * row.inverse_norm;
    const double e = std::exp2(base2_scale_ * cosine + at<float>(layout_.shift)[i]);
    k_.add_scaled(sum, x, e * row.negative_factor * row.inverse_norm, p_.dim);
  }
}

cosface_status read_debug(int32_t* print, cosface_error* error) {
  const char* text = std::getenv("COSFACE_DEBUG");
  *print = text != nullptr && std::strcmp(text, "plan") == 0;
  if (*print || text == nullptr || *text == '\0') return COSFACE_OK;
  return fill_error(error, COSFACE_ERROR_ENVIRONMENT, "COSFACE_DEBUG", -1,
                    "the environment variable COSFACE_DEBUG is '%.40s', expected plan. Unset it to print nothing.",
                    text);
}

// Everything before data and memory: shape, options, environment, plan.
cosface_status make_plan(const cosface_margin_softmax_problem& p, const cosface_margin_softmax_options& o,
                         bool gradients, cosface_margin_softmax_plan& plan, cosface_error* error) {
  if (auto status = check_shape(p, error)) return status;
  if (auto status = check_options(o, error)) return status;
  cosface_error reason{};
  const cpu_kernels* kernels = kernels_for(o.isa, &reason);
  if (kernels == nullptr) {
    if (error) *error = reason;
    return reason.status;
  }
  const int32_t threads = o.threads > 0 ? o.threads : default_threads();
  if (threads == 0)
    return fill_error(error, COSFACE_ERROR_ENVIRONMENT, "COSFACE_THREADS", -1,
                      "the environment variable COSFACE_THREADS is '%.40s', expected a whole number in [1, 1024]. "
                      "Unset it to use every processor.",
                      std::getenv("COSFACE_THREADS"));
  plan = choose_plan({p.batch, p.classes, p.dim, gradients}, o, *kernels, threads);
  return read_debug(&plan.print, error);
}

}  // namespace
}  // namespace cosface

extern "C" {

void cosface_margin_softmax_default_options(cosface_margin_softmax_options* options) {
  *options = {.scale = 64,
              .m1 = 1,
              .m2 = 0,
              .m3 = 0.35,
              .ignore_label = -1,
              .reduction = COSFACE_REDUCTION_MEAN,
              .gradient = COSFACE_GRADIENT_EXACT,
              .sample_margin_term = COSFACE_MARGIN_M3,
              .isa = COSFACE_ISA_AUTO,
              .precision = COSFACE_PRECISION_FP32,
              .gradient_tolerance = 0,
              .threads = 0,
              .workspace_bytes = 64 << 20};
}

cosface_status cosface_margin_softmax_make_plan(const cosface_margin_softmax_problem* problem,
                                                const cosface_margin_softmax_options* options, int gradients,
                                                cosface_margin_softmax_plan* plan, cosface_error* error) {
  return cosface::make_plan(*problem, *options, gradients != 0, *plan, error);
}

cosface_status cosface_margin_softmax_run(const cosface_margin_softmax_problem* problem,
                                          const cosface_margin_softmax_options* options,
                                          const cosface_margin_softmax_plan* plan,
                                          cosface_margin_softmax_results* results, cosface_error* error) {
  const cosface::call_shape shape{problem->batch, problem->classes, problem->dim, results->d_weights != nullptr};
  const bool planned = plan->isa != COSFACE_ISA_AUTO;
  const cosface::cpu_kernels* kernels = planned ? cosface::kernels_for(plan->isa, nullptr) : nullptr;
  if (kernels == nullptr || cosface::lay_out(shape, *plan, *kernels).bytes != plan->workspace_bytes)
    return cosface::fill_error(
        error, COSFACE_ERROR_OPTION, "plan", -1,
        "plan is not for this call, expected what cosface_margin_softmax_make_plan gives for the "
        "same dimensions, options and gradients.");
  if (auto status = cosface::check_buffers(*problem, *options, *results, error)) return status;
  if (plan->print) cosface::print_plan(shape, *plan);
  const cosface::workspace memory(static_cast<size_t>(plan->workspace_bytes));
  if (memory.data() == nullptr)
    return cosface::fill_error(
        error, COSFACE_ERROR_OUT_OF_MEMORY, "workspaceBytes", -1,
        "%lld bytes of workspace could not be allocated. Lower workspaceBytes or the batch size.",
        static_cast<long long>(plan->workspace_bytes));
  return cosface::job(*problem, *options, shape, *plan, *kernels, memory.data(), *results).run(error);
}

cosface_status cosface_margin_softmax(const cosface_margin_softmax_problem* problem,
                                      const cosface_margin_softmax_options* options,
                                      cosface_margin_softmax_results* results, cosface_error* error) {
  cosface_margin_softmax_plan plan;
  const bool gradients = results->d_weights != nullptr;
  if (auto status = cosface::make_plan(*problem, *options, gradients, plan, error)) return status;
  return cosface_margin_softmax_run(problem, options, &plan, results, error);
}

}  // extern "C"
