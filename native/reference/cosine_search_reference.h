// The specification of cosine search: every cosine in double precision, plain loops and sorts.
#pragma once

#include <cstdint>
#include <vector>

#include "cosface/cosine_search.h"

namespace cosface {

struct reference_neighbours {
  std::vector<int32_t> indices;  // [Q, k]
  std::vector<double> cosines;   // [Q, k]
};

struct reference_pairs {
  std::vector<double> genuine, impostor;  // cosines of all pairs, falling
};

// Memory: O(G) and O(QG).
reference_neighbours top_k_reference(const cosface_search_problem& problem, int64_t k);
reference_pairs pairs_reference(const cosface_search_problem& problem);

// Of falling cosines, how many are at least `threshold`.
int64_t count_at_least(const std::vector<double>& cosines, double threshold);

}  // namespace cosface
