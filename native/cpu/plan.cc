#include "cpu/plan.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "cpu/block_sizes.h"
#include "cpu/carver.h"
#include "cpu/row_state.h"

namespace cosface {
namespace {

// Pass-1 tasks of a row block, for as many threads. Each slab has its own partial dx, which costs memory
// and an addition: so few slabs, unless they are so large that this does not show.
constexpr int64_t least_tasks = 8, most_tasks = 64, cheap_slab_blocks = 24;
// Class blocks of a pass-2 task, at most: within a task the next block is brought into cache ahead.
constexpr int64_t largest_blocks_per_task = 8;
// Rows between two passes over w, at most. More would no longer save traffic.
constexpr int64_t largest_row_block = 4096;
constexpr int64_t least_kept_row_block = 32;
constexpr int64_t recompute_row_block = 512;
// The part of the budget that is left to the workers' own memory.
constexpr int64_t worker_share = 16;
// The norms of all classes are kept where they take at most this part of the budget.
constexpr int64_t norms_share = 8;
// Below this many multiply-adds a second thread costs more than it brings (about 0.1 ms of work).
constexpr double least_work_per_thread = 2e6;
// Rows a multiple of 2 KiB apart share two sets of L1, too few for a tile's rows: such strides get one line
// more.
constexpr int64_t crowded_stride = 512, line_words = 16;

const char* precision_name(cosface_precision precision) {
  switch (precision) {
    case COSFACE_PRECISION_FP32: return "fp32";
    case COSFACE_PRECISION_BF16_GRADIENTS: return "fp32 with bf16 gradients";
    case COSFACE_PRECISION_BF16: return "bf16";
  }
  return "";
}

int64_t stride_of(int64_t words) { return words % crowded_stride == 0 ? words + line_words : words; }

int64_t class_block_of(const call_shape& s, const cpu_kernels& k) {
  const block_sizes sizes = block_sizes_of(k.isa);
  // A bf16 block is twice as long at the same bytes, which gives the products for dx the same depth in words.
  const int64_t values = logit_products(s, k).values_per_word;
  const int64_t row_bytes = stride_of(round_up(s.dim, k.tile_columns)) * 4;
  const int64_t fitting = std::min(sizes.class_block_bytes / row_bytes, sizes.largest_class_block) * values;
  const int64_t whole_tiles = std::max<int64_t>(fitting / k.tile_rows, 1) * k.tile_rows;
  const int64_t block = std::min(whole_tiles, round_up(s.classes, k.tile_rows));
  return std::max(block / s.sub_centers, int64_t{1}) * s.sub_centers;
}

// Cuts a row block into groups and the classes into slabs, for at most `most` tasks of pass 1.
void cut_tasks(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan, int64_t most) {
  const int64_t blocks = ceil_div(s.classes, plan.class_block);
  const int64_t groups = ceil_div(plan.row_block, block_sizes_of(k.isa).largest_row_group);
  plan.row_group = std::max(round_up(ceil_div(plan.row_block, groups), k.tile_columns), int64_t{k.tile_columns});
  const int64_t slabs = std::clamp(blocks / cheap_slab_blocks, ceil_div(least_tasks, groups), ceil_div(most, groups));
  plan.class_slab = ceil_div(blocks, std::min(slabs, blocks)) * plan.class_block;
  plan.blocks_per_task = std::clamp<int64_t>(blocks / most_tasks, 1, largest_blocks_per_task);
}

bool fits(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan, int64_t row_block,
          int64_t budget) {
  plan.row_block = row_block;
  for (int64_t tasks = most_tasks; tasks >= least_tasks; tasks /= 2) {
    cut_tasks(s, k, plan, tasks);
    const workspace_layout layout = lay_out(s, plan, k);
    if (layout.workers <= budget - std::max(budget / worker_share, layout.worker_bytes)) return true;
  }
  return false;
}

// The largest row block up to `largest` whose shared memory fits; the rows are spread evenly.
bool choose_row_block(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan, int64_t largest,
                      int64_t least, int64_t budget) {
  const int64_t unit = k.tile_columns;
  const int64_t rows = std::max<int64_t>(s.batch, 1);
  for (int64_t bound = std::min(round_up(largest, unit), round_up(rows, unit)); bound > 0; bound -= unit) {
    const int64_t even = round_up(ceil_div(rows, ceil_div(rows, bound)), unit);
    if (even < std::min(least, round_up(rows, unit))) return false;
    if (fits(s, k, plan, even, budget)) return true;
  }
  return false;
}

// All rows at once: kept where the budget allows it, else recomputed, whatever the budget.
void choose_one_row_block(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan,
                          int64_t budget) {
  const int64_t rows = round_up(std::max<int64_t>(s.batch, 1), k.tile_columns);
  plan.keep = 1;
  if (fits(s, k, plan, rows, budget)) return;
  plan.keep = 0;
  fits(s, k, plan, rows, budget);
}

void choose_rows(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan, int64_t budget) {
  if (s.updates) return choose_one_row_block(s, k, plan, budget);
  plan.keep = s.gradients;
  if (choose_row_block(s, k, plan, largest_row_block, s.gradients ? least_kept_row_block : 1, budget)) return;
  plan.keep = 0;
  if (choose_row_block(s, k, plan, recompute_row_block, 1, budget)) return;
  fits(s, k, plan, k.tile_columns, budget);  // the least plan, taken whatever the budget
}

// Whether w can be an operand as it is: rows side by side, whole panels of features, and room in fp32 for exponentials
// times 1 / |w_c| up to 2^20 (job::reads_in_place sees to that).
bool can_read_in_place(const call_shape& s, const cosface_margin_softmax_options& o, const cpu_kernels& k) {
  constexpr double largest_bound = 100;
  return !s.sampled && block_sizes_of(k.isa).read_weights_in_place && s.precision == COSFACE_PRECISION_FP32 &&
         s.dim % k.tile_columns == 0 &&
         (!o.normalize_weights || logit_range_of(o).high + std::log2(logit_range_of(o).slope) <= largest_bound);
}

int32_t choose_threads(const call_shape& s, const workspace_layout& one, int64_t budget, int32_t threads) {
  const double work = static_cast<double>(s.batch) * s.classes * s.dim * (s.gradients ? 3 : 1);
  const int64_t useful = static_cast<int64_t>(std::min(work / least_work_per_thread, 1024.0));
  const int64_t affordable = (budget - one.workers) / one.worker_bytes;
  return static_cast<int32_t>(std::clamp<int64_t>(std::min(useful, affordable), 1, threads));
}

}  // namespace

const product_kernels& logit_products(const call_shape& s, const cpu_kernels& k) {
  return s.precision == COSFACE_PRECISION_BF16 ? k.bf16 : k.fp32;
}

const product_kernels& gradient_products(const call_shape& s, const cpu_kernels& k) {
  return s.precision == COSFACE_PRECISION_FP32 ? k.fp32 : k.bf16;
}

double logit_bound(double scale) { return scale * std::numbers::log2e; }

double fixed_shift(double scale, int64_t classes) { return shift_below(logit_bound(scale), classes); }

double shift_below(double high, int64_t classes) {
  const double headroom = 124 - std::ceil(std::log2(static_cast<double>(classes)));
  return std::min(0.0, std::floor(headroom - high));
}

logit_range logit_range_of(const cosface_margin_softmax_options& o) {
  const double bound = logit_bound(o.scale), t = std::abs(o.negatives_t);
  constexpr double largest_m3 = 2;  // per sample, in absolute value
  if (o.curve == COSFACE_CURVE_CIRCLE) return {-bound * largest_m3 * largest_m3, bound, 2 + largest_m3};
  if (o.curve == COSFACE_CURVE_POWER) return {-bound, bound, o.curve_exponent};
  switch (o.negatives) {
    case COSFACE_NEGATIVES_PLAIN: break;
    case COSFACE_NEGATIVES_CURRICULAR: return {-bound, bound * (1 + t), 2 + t};
    case COSFACE_NEGATIVES_MV_ARC:
    case COSFACE_NEGATIVES_MV_AM: return {-bound, bound * (1 + 2 * t), 1 + t};
  }
  return {-bound, bound, 1};
}

cosface_margin_softmax_plan choose_plan(const call_shape& s, const cosface_margin_softmax_options& o,
                                        const cpu_kernels& k, int32_t threads) {
  cosface_margin_softmax_plan plan{};
  const block_sizes sizes = block_sizes_of(k.isa);
  plan.isa = k.isa;
  plan.feature_depth = sizes.feature_depth;
  plan.sample_depth = sizes.sample_depth;
  plan.turn_classes = sizes.tiles_per_turn * k.tile_rows;
  // The least exponential must not vanish, and s over their least sum must stay below 2^124: it scales
  // the operand of pass 2.
  const logit_range range = logit_range_of(o);
  const double shift = shift_below(range.high + std::log2(range.slope), s.classes);
  const bool in_range = !s.unbounded && shift + range.low >= std::log2(std::max(o.scale, 1.0)) - 124;
  plan.row_shift = in_range || s.binary ? 0 : s.ruled || s.unbounded ? 2 : 1;  // binary form: any logit is in range
  plan.class_block = class_block_of(s, k);
  plan.keep_norms = s.classes * 8 <= o.workspace_bytes / norms_share;
  plan.pack_weights = !plan.keep_norms || !can_read_in_place(s, o, k);
  choose_rows(s, k, plan, o.workspace_bytes);
  if (plan.keep_norms && lay_out(s, plan, k).bytes > o.workspace_bytes) {
    plan.keep_norms = 0;
    plan.pack_weights = 1;
    choose_rows(s, k, plan, o.workspace_bytes);
  }
  plan.threads = 1;
  plan.threads = choose_threads(s, lay_out(s, plan, k), o.workspace_bytes, threads);
  plan.workspace_bytes = lay_out(s, plan, k).bytes;
  return plan;
}

workspace_layout lay_out(const call_shape& s, const cosface_margin_softmax_plan& plan, const cpu_kernels& k) {
  const product_kernels &logits = logit_products(s, k), &gradients = gradient_products(s, k);
  const int64_t columns = k.tile_columns, pair_rows = ceil_div(plan.class_block, 2);
  const bool bf16_gradients = s.gradients && gradients.values_per_word == 2;
  workspace_layout l{};
  l.padded_dim = round_up(s.dim, columns);
  l.padded_rows = round_up(plan.row_block, plan.row_group);
  l.slabs = ceil_div(s.classes, plan.class_slab);
  l.weight_ld = stride_of(logits.words(l.padded_dim));
  l.pair_ld = stride_of(l.padded_dim);
  l.exponential_ld = stride_of(gradients.words(l.padded_rows));
  l.columns_ld = stride_of(plan.row_group);
  l.unit_ld = stride_of(l.padded_dim);
  l.product_ld = stride_of(l.padded_dim);

  carver shared;
  l.labels = shared.take(s.batch, 4);
  l.class_ids = shared.take(s.sampled ? s.classes : 0, 4);
  l.rows = shared.take(l.padded_rows, sizeof(row_state));
  l.label_order = shared.take(l.padded_rows, 4);
  l.shift = shared.take(l.padded_rows, 4);
  l.sums = shared.take(l.slabs * l.padded_rows, 8);
  l.best = shared.take(l.slabs * l.padded_rows, 4);
  l.best_class = shared.take(l.slabs * l.padded_rows, 4);
  l.corrected = shared.take(l.slabs * l.padded_rows, 4);
  l.kept_panels = shared.take(s.filter ? ceil_div(s.classes, plan.class_block) * (l.padded_rows / columns) : 0, 1);
  l.zeros = shared.take(bf16_gradients ? l.padded_dim : 0, 4);
  l.peak = s.ruled ? shared.take(l.slabs * l.padded_rows, 4) : l.best;
  l.peak_class = s.ruled ? shared.take(l.slabs * l.padded_rows, 4) : l.best_class;
  l.slopes = shared.take(s.ruled ? l.slabs * l.padded_rows : 0, 4);
  l.sigmoids = shared.take(s.binary ? l.slabs * l.padded_rows : 0, 8);
  l.thresholds = shared.take(s.ruled ? l.padded_rows : 0, 4);
  l.circle_margins = shared.take(s.ruled ? l.padded_rows : 0, 4);
  l.row_factors = shared.take(s.gradients && s.bias ? l.padded_rows : 0, 8);
  l.class_sums = shared.take(s.smoothed ? l.slabs * s.dim : 0, 8);
  l.batch_sum = shared.take(s.smoothed ? s.dim : 0, 8);
  l.batch_sum_fp32 = shared.take(s.smoothed ? l.padded_dim : 0, 4);
  l.norms = shared.take(plan.keep_norms ? s.classes : 0, 8);
  l.norms_known = shared.take(plan.keep_norms ? ceil_div(s.classes, plan.class_block) : 0, sizeof(std::atomic<bool>));
  l.logit_operand = shared.take(l.padded_rows * logits.words(s.dim), 4);
  l.gradient_operand = shared.take(s.gradients ? l.padded_dim * gradients.words(l.padded_rows) : 0, 4);
  l.d_unit = shared.take(s.gradients ? l.slabs * l.unit_ld * l.padded_rows : 0, 4);
  l.exponentials = shared.take(plan.keep ? s.classes * l.exponential_ld : 0, 4);
  l.workers = shared.offset;

  carver worker;
  l.worker_weights = worker.take(plan.class_block * l.weight_ld, 4);
  l.worker_factors = worker.take(plan.class_block, sizeof(weight_factor));
  l.worker_weight_pairs = worker.take(bf16_gradients ? pair_rows * l.pair_ld : 0, 4);
  l.worker_strip = worker.take(plan.class_block * columns, 4);
  l.worker_columns = worker.take(s.gradients ? gradients.words(plan.class_block) * l.columns_ld : 0, 4);
  l.worker_rows = worker.take(s.gradients && !plan.keep ? plan.class_block * l.exponential_ld : 0, 4);
  l.worker_norms = worker.take(plan.class_block, 8);
  l.worker_bias = worker.take(s.ruled ? plan.class_block : 0, 4);
  l.worker_product = worker.take(s.gradients ? plan.turn_classes * l.product_ld : 0, 4);
  l.worker_gradient = worker.take(s.updates ? s.dim : 0, 4);
  l.worker_scaled = worker.take(2 * l.padded_dim, 4);
  l.worker_rounded = worker.take(l.padded_dim, 4);
  l.worker_row = worker.take(s.dim, 8);
  l.worker_unit_row = worker.take(s.gradients ? s.dim : 0, 8);
  l.worker_bytes = worker.offset;
  l.bytes = l.workers + std::max(plan.threads, 1) * l.worker_bytes;
  return l;
}

std::string describe_plan(const call_shape& s, const cosface_margin_softmax_plan& p, int64_t budget) {
  constexpr double mib = 1 << 20;
  const int64_t blocks = std::max<int64_t>(ceil_div(s.batch, p.row_block), 1);
  const double bytes_of_one = s.precision == COSFACE_PRECISION_FP32 ? 4 : 2;
  const double all_rows = bytes_of_one * static_cast<double>(s.batch) * static_cast<double>(s.classes) / mib;
  char text[800];
  int length = 0;
  const auto add = [&](const char* format, auto... values) {
    length += std::snprintf(text + length, sizeof text - length, format, values...);
  };
  add("N %lld, C %lld, D %lld, %s, %s on %s, %d thread%s, %.2f MiB. ", static_cast<long long>(s.batch),
      static_cast<long long>(s.classes), static_cast<long long>(s.dim),
      s.updates     ? "loss, gradients and updates"
      : s.gradients ? "loss and gradients"
                    : "loss",
      precision_name(s.precision), cosface_isa_name(p.isa), p.threads, p.threads == 1 ? "" : "s",
      static_cast<double>(p.workspace_bytes) / mib);
  add("%s", !s.gradients ? "2NCD flops: no gradients, nothing of size C is kept. "
            : p.keep
                ? "6NCD flops: exponentials are kept. "
                : "8NCD flops: exponentials are computed twice, because the budget does not hold those of 32 rows. ");
  if (p.row_shift == 1) add("%s", "2NCD more, because at this scale each row's maximum is needed first. ");
  if (p.row_shift == 2) add("%s", "Row blocks with very large logits are gone through twice. ");
  if (blocks > 1) add("%lld blocks of %lld rows", static_cast<long long>(blocks), static_cast<long long>(p.row_block));
  if (blocks > 1 && p.keep)
    add(", because all at once would take %.0f MiB and the budget is %.1f", all_rows,
        static_cast<double>(budget) / mib);
  if (blocks > 1) add("%s", ". ");
  add("Pass 1: %lld x %lld tasks of %lld rows x %lld classes. Blocks of %lld classes%s; w %s, its norms %s.",
      static_cast<long long>(ceil_div(p.row_block, p.row_group)),
      static_cast<long long>(ceil_div(s.classes, p.class_slab)), static_cast<long long>(p.row_group),
      static_cast<long long>(p.class_slab), static_cast<long long>(p.class_block),
      s.gradients ? ", a few to a task of pass 2" : "", p.pack_weights ? "packed" : "read in place",
      p.keep_norms ? "kept" : "found again each time");
  return text;
}

}  // namespace cosface
