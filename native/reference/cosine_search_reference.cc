#include "reference/cosine_search_reference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace cosface {
namespace {

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

double cosine(const float* a, const float* b, int64_t n) {
  const double squared_a = dot(a, a, n), squared_b = dot(b, b, n);
  if (std::sqrt(squared_a) < COSFACE_ZERO_NORM || std::sqrt(squared_b) < COSFACE_ZERO_NORM) return 0;
  return std::clamp(dot(a, b, n) / std::sqrt(squared_a * squared_b), -1.0, 1.0);
}

}  // namespace

reference_neighbours top_k_reference(const cosface_search_problem& p, int64_t k) {
  reference_neighbours out;
  std::vector<double> cosines(p.gallery);
  std::vector<int32_t> order(p.gallery);
  for (int64_t i = 0; i < p.queries; i++) {
    for (int64_t j = 0; j < p.gallery; j++)
      cosines[j] = cosine(p.query_rows + i * p.dim, p.gallery_rows + j * p.dim, p.dim);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return cosines[a] > cosines[b]; });
    for (int64_t place = 0; place < k; place++) {
      out.indices.push_back(order[place]);
      out.cosines.push_back(cosines[order[place]]);
    }
  }
  return out;
}

reference_pairs pairs_reference(const cosface_search_problem& p) {
  const bool each_pair_once = p.gallery_rows == nullptr;
  const float* gallery_rows = each_pair_once ? p.query_rows : p.gallery_rows;
  const int32_t* gallery_labels = each_pair_once ? p.query_labels : p.gallery_labels;
  const int64_t gallery = each_pair_once ? p.queries : p.gallery;
  reference_pairs out;
  for (int64_t i = 0; i < p.queries; i++)
    for (int64_t j = each_pair_once ? i + 1 : 0; j < gallery; j++) {
      const bool genuine = p.query_labels != nullptr && p.query_labels[i] == gallery_labels[j];
      (genuine ? out.genuine : out.impostor)
          .push_back(cosine(p.query_rows + i * p.dim, gallery_rows + j * p.dim, p.dim));
    }
  for (std::vector<double>* cosines : {&out.genuine, &out.impostor})
    std::sort(cosines->begin(), cosines->end(), std::greater<>());
  return out;
}

int64_t count_at_least(const std::vector<double>& cosines, double threshold) {
  return std::partition_point(cosines.begin(), cosines.end(), [=](double c) { return c >= threshold; }) -
         cosines.begin();
}

}  // namespace cosface
