#include "cpu/search_plan.h"

#include <algorithm>
#include <cstdio>

#include "cpu/carver.h"

namespace cosface {
namespace {

// A packed gallery block stays in L2 beside a panel of queries.
constexpr int64_t gallery_block_bytes = 256 << 10;
constexpr int64_t largest_gallery_block = 120;
// Tasks wanted, so that up to this many threads find work where the gallery is small.
constexpr int64_t wanted_tasks = 64;
// Packing a gallery row costs about as much as its cosines with 30 queries; groups below this would show it.
constexpr int64_t least_query_group = 512;
// Beyond, a larger block would save no traffic that shows, and byte counts might overflow.
constexpr int64_t largest_query_block = 1 << 20;
// The parts of the budget that operands and one worker may take, so that several workers fit.
constexpr int64_t shared_share = 2;
constexpr int64_t worker_share = 16;
// Below this many multiply-adds a second thread costs more than it brings (about 0.1 ms of work).
constexpr double least_work_per_thread = 4e6;
// Keeps the rows of a block off the same cache sets: 16 floats are one line.
constexpr int64_t stride_padding = 16;

int64_t choose_gallery_block(const search_shape& s, const cpu_kernels& k) {
  const int64_t fitting = std::min(gallery_block_bytes / ((s.dim + stride_padding) * 4), largest_gallery_block);
  const int64_t whole_tiles = fitting / k.tile_rows * k.tile_rows;
  return std::clamp<int64_t>(whole_tiles > 0 ? whole_tiles : fitting, 1, std::max<int64_t>(s.gallery, 1));
}

void cut_queries(const search_shape& s, const cpu_kernels& k, cosface_search_plan& plan) {
  const int64_t groups =
      std::clamp<int64_t>(ceil_div(wanted_tasks, ceil_div(std::max<int64_t>(s.gallery, 1), plan.gallery_block)), 1,
                          std::max<int64_t>(plan.query_block / least_query_group, 1));
  plan.query_group = round_up(ceil_div(plan.query_block, groups), k.tile_columns);
}

// The largest block up to `most` queries for which `fits` holds, or 0; it holds for all smaller ones too.
template <class predicate>
int64_t largest_block(int64_t most, const predicate& fits) {
  int64_t good = 0;
  while (good < most) {
    const int64_t next = good + (most - good + 1) / 2;
    if (fits(next))
      good = next;
    else
      most = next - 1;
  }
  return good;
}

int64_t choose_query_block(const search_shape& s, const cpu_kernels& k, cosface_search_plan plan, int64_t budget) {
  const auto layout_for = [&](int64_t block) {
    plan.query_block = block;
    return lay_out(s, plan, k);
  };
  const auto leaves_room = [&](int64_t block) {
    const search_layout l = layout_for(block);
    return l.workers <= budget / shared_share && l.worker_bytes <= budget / worker_share;
  };
  const auto fits_at_all = [&](int64_t block) {
    const search_layout l = layout_for(block);
    return l.workers <= budget - l.worker_bytes;
  };
  const int64_t unit = k.tile_columns, queries = std::max<int64_t>(s.queries, 1);
  const int64_t most = std::min(queries, largest_query_block);
  const int64_t panels = largest_block(ceil_div(most, unit), [&](int64_t n) { return leaves_room(n * unit); });
  if (panels > 0) {
    const int64_t blocks = ceil_div(queries, panels * unit);  // spread evenly
    return std::min(round_up(ceil_div(queries, blocks), unit), queries);
  }
  return std::max<int64_t>(largest_block(std::min(queries, unit), fits_at_all), 1);
}

int32_t choose_threads(const search_shape& s, const search_layout& one, int64_t budget, int32_t threads) {
  const double work = static_cast<double>(s.queries) * static_cast<double>(s.gallery) * static_cast<double>(s.dim);
  const int64_t useful = static_cast<int64_t>(std::min(work / least_work_per_thread, 1024.0));
  const int64_t affordable = (budget - one.workers) / one.worker_bytes;
  return static_cast<int32_t>(std::clamp<int64_t>(std::min(useful, affordable), 1, threads));
}

}  // namespace

cosface_search_plan choose_search_plan(const search_shape& s, int64_t budget, const cpu_kernels& k, int32_t threads) {
  cosface_search_plan plan{};
  plan.isa = k.isa;
  plan.threads = 1;
  plan.gallery_block = choose_gallery_block(s, k);
  plan.query_block = choose_query_block(s, k, plan, budget);
  cut_queries(s, k, plan);
  plan.threads = choose_threads(s, lay_out(s, plan, k), budget, threads);
  plan.workspace_bytes = lay_out(s, plan, k).bytes;
  return plan;
}

search_layout lay_out(const search_shape& s, const cosface_search_plan& plan, const cpu_kernels& k) {
  search_layout l{};
  l.padded_block = round_up(plan.query_block, k.tile_columns);
  l.gallery_ld = round_up(s.dim, stride_padding) + stride_padding;

  carver shared;
  l.operand = shared.take(l.padded_block * s.dim, 4);
  l.squared_queries = shared.take(l.padded_block, 8);
  l.shared = shared.take(s.shared_bytes, 1);
  l.workers = shared.offset;

  carver worker;
  l.packed = worker.take(plan.gallery_block * l.gallery_ld, 4);
  l.strip = worker.take(plan.gallery_block * k.tile_columns, 4);
  l.squared_gallery = worker.take(plan.gallery_block, 8);
  l.memo = worker.take(plan.gallery_block, 8);
  l.memo_query = worker.take(plan.gallery_block, 8);
  l.twin = worker.take(plan.gallery_block, 4);
  l.by_norm = worker.take(plan.gallery_block, 4);
  l.by_label = worker.take(plan.gallery_block, 4);
  l.block = worker.take(1, sizeof(gallery_block_state));
  l.per_query = worker.take(plan.query_block * s.query_bytes, 1);
  l.own = worker.take(s.worker_bytes, 1);
  l.worker_bytes = worker.offset;
  l.bytes = l.workers + std::max(plan.threads, 1) * l.worker_bytes;
  return l;
}

void print_plan(const search_shape& s, const cosface_search_plan& p) {
  std::fprintf(stderr,
               "cosface plan: search, Q %lld, G %lld, D %lld: %s, %d thread%s, query block %lld, query group %lld, "
               "gallery block %lld, workspace %.2f MiB\n",
               static_cast<long long>(s.queries), static_cast<long long>(s.gallery), static_cast<long long>(s.dim),
               cosface_isa_name(p.isa), p.threads, p.threads == 1 ? "" : "s", static_cast<long long>(p.query_block),
               static_cast<long long>(p.query_group), static_cast<long long>(p.gallery_block),
               static_cast<double>(p.workspace_bytes) / (1 << 20));
}

}  // namespace cosface
