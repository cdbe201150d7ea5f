// All queries against all gallery rows, a strip of fp32 cosines at a time, and the exact cosine of any pair of it.
//
//   strip    R[j, i] = sum_d g^[j, d] q^T[d, i]     j in a gallery block, i in a panel of NR queries
//
// A user (cosine_search.cc) looks at each strip while it is in L1. What lies further than `error()` from where it
// would matter is decided by R alone; the rest, a few pairs in a million, is asked again of `exact`.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>

#include "cosface/cosine_search.h"
#include "cpu/search_plan.h"
#include "cpu/thread_team.h"
#include "cpu/workspace_view.h"

namespace cosface {

struct search_strip {
  int32_t worker;
  int64_t first_row, rows;       // of the gallery
  int64_t first_query, queries;  // within the block; columns beyond hold nothing
  float* scores;                 // [rows, NR]; `no_pair` where a pair is not to be looked at
};

constexpr float no_pair = -std::numeric_limits<float>::infinity();

class search_sweep : public workspace_view {
 public:
  search_sweep(const cosface_search_problem& problem, const search_shape& shape, const cosface_search_plan& plan,
               const cpu_kernels& kernels, void* memory)
      : search_sweep(problem, shape, plan, kernels, lay_out(shape, plan, kernels), memory) {}

  // Calls, for each block of queries: user.begin(); user.take(strip) for every strip with a pair in it, from any
  // worker; user.end(team).
  template <class search_user>
  cosface_status run(search_user& user, cosface_error* error);

  // Takes the genuine pairs out of a strip: calls visit(lane, row, score) for each and leaves no_pair.
  template <class function>
  void take_genuine(const search_strip& strip, const function& visit);

  double exact(const search_strip& strip, int64_t lane, int64_t row);
  // Bounds |R - exact|.
  double error() const { return error_; }

  const cpu_kernels& kernels() const { return k_; }
  const cosface_search_plan& plan() const { return plan_; }
  const search_layout& layout() const { return layout_; }
  int64_t first_query() const { return first_query_; }
  int64_t block_queries() const { return block_queries_; }
  bool labelled() const { return p_.query_labels != nullptr; }

 private:
  search_sweep(const cosface_search_problem& problem, const search_shape& shape, const cosface_search_plan& plan,
               const cpu_kernels& kernels, const search_layout& layout, void* memory);

  bool each_pair_once() const { return p_.gallery_rows == nullptr; }
  bool is_pair(int64_t query, int64_t row) const { return !each_pair_once() || row > first_query_ + query; }
  void prepare_panel(int64_t panel);
  bool pack_gallery(int32_t worker, int64_t first, int64_t count);
  void fill_strip(const search_strip& strip) const;
  void find_twins(int32_t worker);
  double squared_gallery(int32_t worker, int64_t row);
  template <class search_user>
  void run_task(int32_t worker, int64_t task, search_user& user);
  cosface_status find_not_finite(cosface_error* error) const;

  const cosface_search_problem& p_;
  const cosface_search_plan& plan_;
  const cpu_kernels& k_;
  const search_layout layout_;
  const double error_;
  const float* const gallery_rows_;
  const int32_t* const gallery_labels_;
  const int64_t gallery_;
  int64_t first_query_ = 0, block_queries_ = 0, groups_ = 1;
  std::atomic<bool> not_finite_{false};
};

template <class search_user>
cosface_status search_sweep::run(search_user& user, cosface_error* error) {
  thread_team team(plan_.threads);
  const int64_t blocks = (gallery_ + plan_.gallery_block - 1) / plan_.gallery_block;
  for (first_query_ = 0; first_query_ < p_.queries; first_query_ += plan_.query_block) {
    block_queries_ = std::min(plan_.query_block, p_.queries - first_query_);
    groups_ = (block_queries_ + plan_.query_group - 1) / plan_.query_group;
    const int64_t panels = (block_queries_ + k_.tile_columns - 1) / k_.tile_columns;
    team.for_each(panels, [this](int32_t, int64_t panel) { prepare_panel(panel); });
    if (not_finite_) return find_not_finite(error);
    user.begin();
    team.for_each(blocks * groups_, [this, &user](int32_t worker, int64_t task) { run_task(worker, task, user); });
    if (not_finite_) return find_not_finite(error);
    user.end(team);
  }
  return COSFACE_OK;
}

template <class search_user>
void search_sweep::run_task(int32_t worker, int64_t task, search_user& user) {
  const int64_t first_row = task / groups_ * plan_.gallery_block, first = task % groups_ * plan_.query_group;
  const int64_t rows = std::min(plan_.gallery_block, gallery_ - first_row);
  const int64_t end = std::min(first + plan_.query_group, block_queries_);
  if (not_finite_ || !is_pair(first, first_row + rows - 1)) return;
  if (!pack_gallery(worker, first_row, rows)) return;
  float* scores = of_worker<float>(worker, layout_.strip);
  for (int64_t query = first; query < end; query += k_.tile_columns) {
    if (!is_pair(query, first_row + rows - 1)) return;
    const search_strip strip{worker, first_row, rows, query, std::min<int64_t>(k_.tile_columns, end - query), scores};
    fill_strip(strip);
    user.take(strip);
  }
}

template <class function>
void search_sweep::take_genuine(const search_strip& s, const function& visit) {
  if (!labelled()) return;
  const int32_t* labels = gallery_labels_ + s.first_row;
  const int32_t *order = of_worker<int32_t>(s.worker, layout_.by_label), *end = order + s.rows;
  const int32_t least = labels[order[0]], largest = labels[end[-1]];
  for (int64_t lane = 0; lane < s.queries; lane++) {
    const int64_t query = s.first_query + lane;
    const int32_t label = p_.query_labels[first_query_ + query];
    if (label < least || label > largest) continue;
    const auto below = [labels](int32_t row, int32_t value) { return labels[row] < value; };
    for (const int32_t* row = std::lower_bound(order, end, label, below); row != end && labels[*row] == label; row++) {
      float& score = s.scores[*row * k_.tile_columns + lane];
      if (is_pair(query, s.first_row + *row)) visit(lane, *row, score);
      score = no_pair;
    }
  }
}

}  // namespace cosface
