#include "cpu/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "cpu/row_state.h"

namespace cosface {
namespace {

// A packed block of classes and its exponentials share L2 with the operands.
constexpr int64_t class_block_bytes = 128 << 10;
constexpr int64_t largest_class_block = 120;
// Rows of a pass-1 task: enough to pay for packing w once a task (C D work against 4 rows C D flops).
constexpr int64_t largest_row_group = 256;
constexpr int64_t least_row_group = 32;
// Pass-1 tasks wanted per row block, so that up to this many threads find work.
constexpr int64_t wanted_tasks = 16;
// Rows between two passes over w, at most. More would no longer save traffic.
constexpr int64_t largest_row_block = 4096;
constexpr int64_t least_kept_row_block = 32;
constexpr int64_t recompute_row_block = 512;
// The part of the budget that is left to the workers' own memory.
constexpr int64_t worker_share = 16;
// Below this many multiply-adds a second thread costs more than it brings (about 0.1 ms of work).
constexpr double least_work_per_thread = 2e6;
// Keeps the rows of a matrix off the same cache sets: 16 floats are one line.
constexpr int64_t stride_padding = 16;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }
int64_t ceil_div(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }

int64_t class_block_of(const call_shape& s, const cpu_kernels& k) {
  const int64_t row_bytes = (round_up(s.dim, k.tile_columns) + stride_padding) * 4;
  const int64_t fitting = std::min(class_block_bytes / row_bytes, largest_class_block);
  const int64_t whole_tiles = std::max<int64_t>(fitting / k.tile_rows, 1) * k.tile_rows;
  return std::min(whole_tiles, round_up(s.classes, k.tile_rows));
}

// Cuts a row block into groups and the classes into slabs.
void cut_tasks(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan) {
  const int64_t blocks = ceil_div(s.classes, plan.class_block);
  const int64_t slabs_possible = std::min(blocks, wanted_tasks);
  const int64_t groups_wanted =
      std::max(ceil_div(plan.row_block, largest_row_group), ceil_div(wanted_tasks, slabs_possible));
  const int64_t groups = std::clamp<int64_t>(groups_wanted, 1, std::max<int64_t>(plan.row_block / least_row_group, 1));
  plan.row_group = std::max(round_up(ceil_div(plan.row_block, groups), k.tile_columns), int64_t{k.tile_columns});
  const int64_t slabs = std::min(slabs_possible, ceil_div(wanted_tasks, groups));
  plan.class_slab = ceil_div(blocks, slabs) * plan.class_block;
}

bool fits(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan, int64_t row_block,
          int64_t budget) {
  plan.row_block = row_block;
  cut_tasks(s, k, plan);
  const workspace_layout layout = lay_out(s, plan, k);
  return layout.workers <= budget - std::max(budget / worker_share, layout.worker_bytes);
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

void choose_rows(const call_shape& s, const cpu_kernels& k, cosface_margin_softmax_plan& plan, int64_t budget) {
  plan.keep = s.gradients;
  if (choose_row_block(s, k, plan, largest_row_block, s.gradients ? least_kept_row_block : 1, budget)) return;
  plan.keep = 0;
  if (choose_row_block(s, k, plan, recompute_row_block, 1, budget)) return;
  fits(s, k, plan, k.tile_columns, budget);  // the least plan, taken whatever the budget
}

int32_t choose_threads(const call_shape& s, const workspace_layout& one, int64_t budget, int32_t threads) {
  const double work = static_cast<double>(s.batch) * s.classes * s.dim * (s.gradients ? 3 : 1);
  const int64_t useful = static_cast<int64_t>(std::min(work / least_work_per_thread, 1024.0));
  const int64_t affordable = (budget - one.workers) / one.worker_bytes;
  return static_cast<int32_t>(std::clamp<int64_t>(std::min(useful, affordable), 1, threads));
}

struct carver {
  int64_t offset = 0;

  // 64-byte aligned, as vectors and cache lines want it.
  int64_t take(int64_t count, int64_t size) {
    const int64_t start = offset;
    offset += round_up(count * size, 64);
    return start;
  }
};

}  // namespace

double logit_bound(double scale) { return scale * std::numbers::log2e; }

double fixed_shift(double scale, int64_t classes) {
  const double headroom = 124 - std::ceil(std::log2(static_cast<double>(classes)));
  return std::min(0.0, std::floor(headroom - logit_bound(scale)));
}

cosface_margin_softmax_plan choose_plan(const call_shape& s, const cosface_margin_softmax_options& o,
                                        const cpu_kernels& k, int32_t threads) {
  cosface_margin_softmax_plan plan{};
  plan.isa = k.isa;
  // The least exponential must not vanish, and s over their least sum must stay below 2^124: it scales
  // the operand of pass 2.
  plan.row_shift = fixed_shift(o.scale, s.classes) - logit_bound(o.scale) < std::log2(std::max(o.scale, 1.0)) - 124;
  plan.class_block = class_block_of(s, k);
  choose_rows(s, k, plan, o.workspace_bytes);
  plan.threads = 1;
  plan.threads = choose_threads(s, lay_out(s, plan, k), o.workspace_bytes, threads);
  plan.workspace_bytes = lay_out(s, plan, k).bytes;
  return plan;
}

workspace_layout lay_out(const call_shape& s, const cosface_margin_softmax_plan& plan, const cpu_kernels& k) {
  const int64_t columns = k.tile_columns;
  workspace_layout l{};
  l.padded_dim = round_up(s.dim, columns);
  l.padded_rows = round_up(plan.row_block, plan.row_group);
  l.slabs = ceil_div(s.classes, plan.class_slab);
  l.weight_ld = l.padded_dim + stride_padding;
  l.exponential_ld = l.padded_rows + stride_padding;
  l.scratch_ld = s.gradients && !plan.keep ? l.padded_rows + stride_padding : columns;

  carver shared;
  l.labels = shared.take(s.batch, 4);
  l.rows = shared.take(l.padded_rows, sizeof(row_state));
  l.label_order = shared.take(l.padded_rows, 4);
  l.shift = shared.take(l.padded_rows, 4);
  l.sums = shared.take(l.slabs * l.padded_rows, 8);
  l.best = shared.take(l.slabs * l.padded_rows, 4);
  l.best_class = shared.take(l.slabs * l.padded_rows, 4);
  l.corrected = shared.take(l.slabs * l.padded_rows, 4);
  l.logit_operand = shared.take(l.padded_rows * s.dim, 4);
  l.gradient_operand = shared.take(s.gradients ? l.padded_dim * plan.row_block : 0, 4);
  l.d_unit = shared.take(s.gradients ? l.slabs * l.padded_dim * l.padded_rows : 0, 4);
  l.exponentials = shared.take(plan.keep ? s.classes * l.exponential_ld : 0, 4);
  l.workers = shared.offset;

  carver worker;
  l.worker_weights = worker.take(plan.class_block * l.weight_ld, 4);
  l.worker_exponentials = worker.take(plan.class_block * l.scratch_ld, 4);
  l.worker_product = worker.take(s.gradients ? plan.class_block * l.padded_dim : 0, 4);
  l.worker_row = worker.take(s.dim, 8);
  l.worker_unit_row = worker.take(s.gradients ? s.dim : 0, 8);
  l.worker_bytes = worker.offset;
  l.bytes = l.workers + std::max(plan.threads, 1) * l.worker_bytes;
  return l;
}

void print_plan(const call_shape& s, const cosface_margin_softmax_plan& p) {
  std::fprintf(stderr,
               "cosface plan: N %lld, C %lld, D %lld, %s: %s, %d thread%s, %s%s, row block %lld, row group %lld, class "
               "slab %lld, class block %lld, workspace %.2f MiB\n",
               static_cast<long long>(s.batch), static_cast<long long>(s.classes), static_cast<long long>(s.dim),
               s.gradients ? "loss and gradients" : "loss", cosface_isa_name(p.isa), p.threads,
               p.threads == 1 ? "" : "s",
               !s.gradients ? "2NCD"
               : p.keep     ? "exponentials kept (6NCD)"
                            : "exponentials recomputed (8NCD)",
               p.row_shift ? " after a pass for row maxima (+2NCD)" : "", static_cast<long long>(p.row_block),
               static_cast<long long>(p.row_group), static_cast<long long>(p.class_slab),
               static_cast<long long>(p.class_block), static_cast<double>(p.workspace_bytes) / (1 << 20));
}

}  // namespace cosface
