#include "cpu/search_sweep.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "cpu/check.h"
#include "cpu/exact_cosine.h"

namespace cosface {
namespace {

// Depth of one register-resident sum: bounds the rounding error, and a panel (depth x NR floats) stays in L1.
constexpr int64_t depth = 64;
// Below this the kernels' |row|^2, whose order of summation is their own, might disagree with exact_dot about
// whether the row counts as zero.
constexpr double surely_not_zero = 4 * COSFACE_ZERO_NORM * COSFACE_ZERO_NORM;
constexpr double unknown = -1;

// 0 for a zero row, NaN where an element is not finite.
double inverse_norm(const cpu_kernels& k, const float* row, int64_t dim) {
  double squared = k.squared_norm(row, dim);
  if (squared < surely_not_zero) squared = exact_dot(row, row, dim);
  if (!std::isfinite(squared)) return std::numeric_limits<double>::quiet_NaN();
  return counts_as_zero(squared) ? 0 : 1 / std::sqrt(squared);
}

}  // namespace

search_sweep::search_sweep(const cosface_search_problem& problem, const search_shape& shape,
                           const cosface_search_plan& plan, const cpu_kernels& kernels, const search_layout& layout,
                           void* memory)
    : workspace_view(memory, layout.workers, layout.worker_bytes),
      p_(problem),
      plan_(plan),
      k_(kernels),
      layout_(layout),
      error_(filter_error(problem.dim, depth)),
      gallery_rows_(each_pair_once() ? problem.query_rows : problem.gallery_rows),
      gallery_labels_(each_pair_once() ? problem.query_labels : problem.gallery_labels),
      gallery_(shape.gallery) {}

// Norms and the packed operand [D][NR]. Columns without a query are 0.
void search_sweep::prepare_panel(int64_t panel) {
  const int64_t columns = k_.tile_columns, first = panel * columns;
  float* operand = at<float>(layout_.operand) + first * p_.dim;
  for (int64_t lane = 0; lane < columns; lane++) {
    if (first + lane >= block_queries_) {
      for (int64_t d = 0; d < p_.dim; d++) operand[d * columns + lane] = 0;
      continue;
    }
    const float* row = p_.query_rows + (first_query_ + first + lane) * p_.dim;
    const double factor = inverse_norm(k_, row, p_.dim);
    if (std::isnan(factor)) not_finite_ = true;
    for (int64_t d = 0; d < p_.dim; d++) operand[d * columns + lane] = static_cast<float>(row[d] * factor);
    at<double>(layout_.squared_queries)[first + lane] = exact_dot(row, row, p_.dim);
  }
}

// g^ of a block. False where a number is not finite.
bool search_sweep::pack_gallery(int32_t worker, int64_t first, int64_t count) {
  float* packed = of_worker<float>(worker, layout_.packed);
  for (int64_t r = 0; r < count; r++) {
    const float* row = gallery_rows_ + (first + r) * p_.dim;
    const double factor = inverse_norm(k_, row, p_.dim);
    if (std::isnan(factor)) {
      not_finite_ = true;
      return false;
    }
    k_.scale(packed + r * layout_.gallery_ld, row, factor, p_.dim);
  }
  *of_worker<gallery_block_state>(worker, layout_.block) = {first, count, 0, false};
  std::fill_n(of_worker<double>(worker, layout_.squared_gallery), count, unknown);
  std::fill_n(of_worker<int64_t>(worker, layout_.memo_query), count, int64_t{-1});
  if (!labelled()) return true;
  int32_t* order = of_worker<int32_t>(worker, layout_.by_label);
  std::iota(order, order + count, 0);
  const int32_t* labels = gallery_labels_ + first;
  std::sort(order, order + count, [labels](int32_t a, int32_t b) { return labels[a] < labels[b]; });
  return true;
}

void search_sweep::fill_strip(const search_strip& s) const {
  const int64_t columns = k_.tile_columns;
  const float* packed = of_worker<float>(s.worker, layout_.packed);
  const float* operand = at<float>(layout_.operand) + s.first_query * p_.dim;
  for (int64_t d = 0; d < p_.dim; d += depth)
    k_.fp32.multiply_rows({s.rows, std::min(depth, p_.dim - d), packed + d, layout_.gallery_ld, operand + d * columns,
                           columns, s.scores, columns, d > 0});
  if (is_pair(s.first_query + columns - 1, s.first_row)) return;
  for (int64_t r = 0; r < s.rows; r++)
    for (int64_t lane = 0; lane < columns; lane++)
      if (!is_pair(s.first_query + lane, s.first_row + r)) s.scores[r * columns + lane] = no_pair;
}

double search_sweep::squared_gallery(int32_t worker, int64_t row) {
  double& squared = of_worker<double>(worker, layout_.squared_gallery)[row];
  if (squared == unknown) {
    const float* elements =
        gallery_rows_ + (of_worker<gallery_block_state>(worker, layout_.block)->first + row) * p_.dim;
    squared = exact_dot(elements, elements, p_.dim);
  }
  return squared;
}

// Rows with the same elements. Where a gallery repeats itself every one of them may be as near as the k-th best, and
// each would cost a sum in double for each query.
void search_sweep::find_twins(int32_t worker) {
  gallery_block_state& block = *of_worker<gallery_block_state>(worker, layout_.block);
  int32_t* order = of_worker<int32_t>(worker, layout_.by_norm);
  int32_t* twin = of_worker<int32_t>(worker, layout_.twin);
  for (int64_t r = 0; r < block.count; r++) squared_gallery(worker, r);
  const double* squared = of_worker<double>(worker, layout_.squared_gallery);
  std::iota(order, order + block.count, 0);
  std::sort(order, order + block.count,
            [squared](int32_t a, int32_t b) { return squared[a] != squared[b] ? squared[a] < squared[b] : a < b; });
  const float* rows = gallery_rows_ + block.first * p_.dim;
  const size_t bytes = static_cast<size_t>(p_.dim) * sizeof(float);
  int32_t last = order[0];  // the latest row that is nobody's twin
  for (int64_t k = 0; k < block.count; k++) {
    const int32_t row = order[k];
    if (squared[row] != squared[last] || std::memcmp(rows + row * p_.dim, rows + last * p_.dim, bytes) != 0) last = row;
    twin[row] = last;
  }
  block.twins_known = true;
}

double search_sweep::exact(const search_strip& s, int64_t lane, int64_t row) {
  gallery_block_state& block = *of_worker<gallery_block_state>(s.worker, layout_.block);
  if (!block.twins_known && block.formed >= block.count) find_twins(s.worker);
  if (block.twins_known) row = of_worker<int32_t>(s.worker, layout_.twin)[row];
  const int64_t query = s.first_query + lane;
  double& cosine = of_worker<double>(s.worker, layout_.memo)[row];
  int64_t& of_query = of_worker<int64_t>(s.worker, layout_.memo_query)[row];
  if (of_query == query) return cosine;
  of_query = query;
  block.formed++;
  const double dot =
      exact_dot(p_.query_rows + (first_query_ + query) * p_.dim, gallery_rows_ + (s.first_row + row) * p_.dim, p_.dim);
  cosine = exact_cosine(dot, at<double>(layout_.squared_queries)[query], squared_gallery(s.worker, row));
  return cosine;
}

cosface_status search_sweep::find_not_finite(cosface_error* error) const {
  if (auto status = find_in_matrix("queries", p_.query_rows, p_.queries, p_.dim, error)) return status;
  return find_in_matrix("gallery", gallery_rows_, gallery_, p_.dim, error);
}

}  // namespace cosface
