#include "cpu/search_users.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "cpu/score_strip.h"

namespace cosface {
namespace {

// Below every score, above no_pair.
constexpr float every_score = std::numeric_limits<float>::lowest();
// Thresholds beyond it, infinite ones too, are beyond every score and this is as well.
constexpr double outside = 4;

float round_down(double value) {
  const float rounded = static_cast<float>(value);
  return rounded > value ? std::nextafter(rounded, std::numeric_limits<float>::lowest()) : rounded;
}
float round_up_to_float(double value) { return -round_down(-value); }

// Rising index breaks ties, so that no two candidates are equal and the k best are one set.
bool better(const candidate& a, const candidate& b) {
  return a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row;
}

}  // namespace

void top_k_user::begin() {
  for (int32_t worker = 0; worker < sweep_.plan().threads; worker++)
    for (int64_t query = 0; query < sweep_.block_queries(); query++) {
      const best b = best_of(worker, query);
      b.size = 0;
      b.bound = every_score;
    }
}

top_k_user::best top_k_user::best_of(int32_t worker, int64_t query) const {
  const int64_t start = sweep_.layout().per_query, queries = sweep_.plan().query_block;
  const int64_t sizes = start + queries * k_ * static_cast<int64_t>(sizeof(candidate));
  return {sweep_.of_worker<candidate>(worker, start) + query * k_, sweep_.of_worker<int64_t>(worker, sizes)[query],
          sweep_.of_worker<float>(worker, sizes + queries * 8)[query]};
}

void top_k_user::take(const search_strip& s) {
  const int64_t columns = sweep_.kernels().tile_columns;
  float peaks[largest_tile_columns];
  find_peaks({s.rows, columns, s.scores}, peaks);
  for (int64_t lane = 0; lane < s.queries; lane++) {
    const best b = best_of(s.worker, s.first_query + lane);
    if (peaks[lane] < b.bound) continue;
    for (int64_t row = 0; row < s.rows; row++)
      if (s.scores[row * columns + lane] >= b.bound)
        offer(b, {sweep_.exact(s, lane, row), static_cast<int32_t>(s.first_row + row)});
  }
}

void top_k_user::offer(const best& b, const candidate& c) const {
  if (b.size == k_) {
    if (!better(c, b.heap[0])) return;
    std::pop_heap(b.heap, b.heap + k_, better);
    b.size--;
  }
  b.heap[b.size++] = c;
  std::push_heap(b.heap, b.heap + b.size, better);
  if (b.size == k_) b.bound = round_down(b.heap[0].cosine - sweep_.error());
}

void top_k_user::end(thread_team& team) {
  const int64_t columns = sweep_.kernels().tile_columns, queries = sweep_.block_queries();
  team.for_each((queries + columns - 1) / columns, [this, columns, queries](int32_t, int64_t panel) {
    for (int64_t q = panel * columns; q < std::min(panel * columns + columns, queries); q++) finish_query(q);
  });
}

void top_k_user::finish_query(int64_t query) const {
  const best all = best_of(0, query);
  for (int32_t worker = 1; worker < sweep_.plan().threads; worker++) {
    const best b = best_of(worker, query);
    for (int64_t k = 0; k < b.size; k++) offer(all, b.heap[k]);
  }
  std::sort_heap(all.heap, all.heap + all.size, better);
  const int64_t first = (sweep_.first_query() + query) * k_;
  for (int64_t k = 0; k < k_; k++) {
    out_.indices[first + k] = all.heap[k].row;
    out_.scores[first + k] = static_cast<float>(all.heap[k].cosine);
  }
}

count_user::count_user(search_sweep& sweep, const double* thresholds, int64_t count)
    : sweep_(sweep),
      count_(count),
      sorted_(sweep.at<double>(sweep.layout().shared)),
      place_(reinterpret_cast<int64_t*>(sorted_ + count)),
      surely_below_(reinterpret_cast<float*>(place_ + count)),
      surely_above_(surely_below_ + count) {
  std::iota(place_, place_ + count, int64_t{0});
  std::sort(place_, place_ + count, [thresholds](int64_t a, int64_t b) { return thresholds[a] < thresholds[b]; });
  for (int64_t t = 0; t < count; t++) {
    sorted_[t] = std::clamp(thresholds[place_[t]], -outside, outside);
    surely_below_[t] = round_down(sorted_[t] - sweep.error());
    surely_above_[t] = round_up_to_float(sorted_[t] + sweep.error());
  }
  for (int32_t worker = 0; worker < sweep.plan().threads; worker++)
    std::fill_n(sweep.of_worker<char>(worker, sweep.layout().own), worker_bytes(count), '\0');
}

count_user::tally count_user::tally_of(int32_t worker) const {
  int64_t* own = sweep_.of_worker<int64_t>(worker, sweep_.layout().own);
  return {own, own + count_, own[2 * count_ + 1]};
}

void count_user::take(const search_strip& s) {
  const int64_t columns = sweep_.kernels().tile_columns;
  const tally counts = tally_of(s.worker);
  sweep_.take_genuine(s, [&](int64_t lane, int64_t row, float score) {
    counts.genuine_pairs++;
    counts.genuine[thresholds_reached(s, lane, row, score)]++;
  });
  float peaks[largest_tile_columns];
  find_peaks({s.rows, columns, s.scores}, peaks);
  const float highest = *std::max_element(peaks, peaks + s.queries);
  for (int64_t t = 0; t < count_ && highest >= surely_below_[t]; t++) counts.impostor[t] += count_strip(s, t);
}

// Of one pair.
int64_t count_user::thresholds_reached(const search_strip& s, int64_t lane, int64_t row, float score) const {
  const int64_t surely = std::upper_bound(surely_above_, surely_above_ + count_, score) - surely_above_;
  if (surely == count_ || score < surely_below_[surely]) return surely;
  return std::upper_bound(sorted_, sorted_ + count_, sweep_.exact(s, lane, row)) - sorted_;
}

// Of a strip's pairs, against one threshold.
int64_t count_user::count_strip(const search_strip& s, int64_t threshold) const {
  const int64_t columns = sweep_.kernels().tile_columns;
  const float below = surely_below_[threshold], above = surely_above_[threshold];
  int32_t not_below[largest_tile_columns], surely[largest_tile_columns];
  count_at_least({s.rows, columns, s.scores}, below, not_below);
  count_at_least({s.rows, columns, s.scores}, above, surely);
  int64_t count = 0;
  for (int64_t lane = 0; lane < s.queries; lane++) {
    count += surely[lane];
    for (int64_t row = 0; surely[lane] < not_below[lane] && row < s.rows; row++) {
      const float score = s.scores[row * columns + lane];
      if (score >= below && score < above) count += sweep_.exact(s, lane, row) >= sorted_[threshold];
    }
  }
  return count;
}

void count_user::finish(int64_t pairs, cosface_pair_counts& counts) const {
  counts.genuine_pairs = 0;
  for (int32_t worker = 0; worker < sweep_.plan().threads; worker++)
    counts.genuine_pairs += tally_of(worker).genuine_pairs;
  counts.impostor_pairs = pairs - counts.genuine_pairs;
  int64_t genuine = 0;
  for (int64_t t = count_ - 1; t >= 0; t--) {
    int64_t impostor = 0;
    for (int32_t worker = 0; worker < sweep_.plan().threads; worker++) {
      genuine += tally_of(worker).genuine[t + 1];
      impostor += tally_of(worker).impostor[t];
    }
    if (counts.genuine) counts.genuine[place_[t]] = genuine;
    counts.impostor[place_[t]] = impostor;
  }
}

largest_user::largest_user(search_sweep& sweep, int64_t wanted) : sweep_(sweep), wanted_(wanted) {
  for (int32_t worker = 0; worker < sweep.plan().threads; worker++) {
    const largest l = largest_of(worker);
    l.size = 0;
    l.bound = every_score;
  }
}

largest_user::largest largest_user::largest_of(int32_t worker) const {
  const int64_t own = sweep_.layout().own, after = own + wanted_ * 8;
  return {sweep_.of_worker<double>(worker, own), *sweep_.of_worker<int64_t>(worker, after),
          *sweep_.of_worker<float>(worker, after + 8)};
}

void largest_user::take(const search_strip& s) {
  const int64_t columns = sweep_.kernels().tile_columns;
  const largest l = largest_of(s.worker);
  sweep_.take_genuine(s, [](int64_t, int64_t, float) {});
  float peaks[largest_tile_columns];
  find_peaks({s.rows, columns, s.scores}, peaks);
  for (int64_t lane = 0; lane < s.queries; lane++) {
    if (peaks[lane] < l.bound) continue;
    for (int64_t row = 0; row < s.rows; row++)
      if (s.scores[row * columns + lane] >= l.bound) offer(l, sweep_.exact(s, lane, row));
  }
}

void largest_user::offer(const largest& l, double cosine) const {
  if (l.size == wanted_) {
    if (cosine <= l.heap[0]) return;
    std::pop_heap(l.heap, l.heap + wanted_, std::greater<>());
    l.size--;
  }
  l.heap[l.size++] = cosine;
  std::push_heap(l.heap, l.heap + l.size, std::greater<>());
  if (l.size == wanted_) l.bound = round_down(l.heap[0] - sweep_.error());
}

const double* largest_user::finish() const {
  const largest all = largest_of(0);
  for (int32_t worker = 1; worker < sweep_.plan().threads; worker++) {
    const largest l = largest_of(worker);
    for (int64_t k = 0; k < l.size; k++) offer(all, l.heap[k]);
  }
  std::sort_heap(all.heap, all.heap + all.size, std::greater<>());
  return all.heap;
}

}  // namespace cosface
