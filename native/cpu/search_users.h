// What is done with the strips of a sweep: the k best of each query, counts above thresholds, the largest of the
// impostors.
#pragma once

#include <cstdint>

#include "cosface/cosine_search.h"
#include "cpu/search_sweep.h"

namespace cosface {

// A gallery row that may be among the k best of a query.
struct candidate {
  double cosine;
  int32_t row;
};

class top_k_user {
 public:
  struct outputs {
    int32_t* indices;  // [Q, k]
    float* scores;     // [Q, k]
  };

  // What each worker keeps for each query of a block.
  static int64_t query_bytes(int64_t k) { return k * static_cast<int64_t>(sizeof(candidate)) + 8 + 4; }

  top_k_user(search_sweep& sweep, int64_t k, const outputs& out) : sweep_(sweep), k_(k), out_(out) {}
  void begin();
  void take(const search_strip& strip);
  void end(thread_team& team);

 private:
  // Of one query, in one worker. The worst candidate is the first of a heap.
  struct best {
    candidate* heap;
    int64_t& size;
    float& bound;  // scores below it cannot be among the k best
  };
  best best_of(int32_t worker, int64_t query) const;
  void offer(const best& b, const candidate& c) const;
  void finish_query(int64_t query) const;

  search_sweep& sweep_;
  const int64_t k_;
  const outputs out_;
};

class count_user {
 public:
  static int64_t shared_bytes(int64_t thresholds) { return thresholds * (8 + 8 + 4 + 4); }
  static int64_t worker_bytes(int64_t thresholds) { return (2 * thresholds + 2) * 8; }

  count_user(search_sweep& sweep, const double* thresholds, int64_t count);
  void begin() {}
  void take(const search_strip& strip);
  void end(thread_team&) {}
  void finish(int64_t pairs, cosface_pair_counts& counts) const;

 private:
  struct tally {
    int64_t* impostor;       // [T], of the sorted thresholds: pairs at or above
    int64_t* genuine;        // [T + 1], pairs at or above just so many of them
    int64_t& genuine_pairs;  // all
  };
  tally tally_of(int32_t worker) const;
  int64_t thresholds_reached(const search_strip& strip, int64_t lane, int64_t row, float score) const;
  int64_t count_strip(const search_strip& strip, int64_t threshold) const;

  search_sweep& sweep_;
  const int64_t count_;
  double* const sorted_;       // [T], rising
  int64_t* const place_;       // [T], of each in the caller's order
  float* const surely_below_;  // [T], a score below it is below the threshold
  float* const surely_above_;  // [T], a score at or above it is at or above the threshold
};

class largest_user {
 public:
  static int64_t worker_bytes(int64_t wanted) { return wanted * 8 + 16; }

  largest_user(search_sweep& sweep, int64_t wanted);
  void begin() {}
  void take(const search_strip& strip);
  void end(thread_team&) {}
  const double* finish() const;  // falling; `wanted` of them, or all pairs

 private:
  // Of one worker. The least of the largest is the first of a heap.
  struct largest {
    double* heap;
    int64_t& size;
    float& bound;
  };
  largest largest_of(int32_t worker) const;
  void offer(const largest& l, double cosine) const;

  search_sweep& sweep_;
  const int64_t wanted_;
};

}  // namespace cosface
