// Searches that own their arrays, in the kinds that make a search go wrong.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "cosface/cosine_search.h"
#include "problem_data.h"

namespace cosface::test {

struct search_shape_case {
  int64_t queries, gallery, dim;
};

inline std::ostream& operator<<(std::ostream& out, const search_shape_case& s) {
  return out << "Q=" << s.queries << " G=" << s.gallery << " D=" << s.dim;
}

struct search_data {
  search_shape_case shape{};
  std::vector<float> queries, gallery;
  std::vector<int32_t> query_labels, gallery_labels;  // empty: none

  cosface_search_problem view() const {
    return {shape.queries,
            shape.gallery,
            shape.dim,
            queries.data(),
            gallery.data(),
            query_labels.empty() ? nullptr : query_labels.data(),
            gallery_labels.empty() ? nullptr : gallery_labels.data()};
  }
  // The queries among themselves.
  cosface_search_problem view_of_queries() const {
    return {shape.queries, 0, shape.dim, queries.data(), nullptr, query_labels.empty() ? nullptr : query_labels.data(),
            nullptr};
  }
};

enum class rows_kind {
  normal,    // independent directions
  crowded,   // all within 1e-4 of one direction: cosines differ by 1e-8, below the grain of fp32
  integers,  // small whole numbers: sums are exact in any order, ties and equal thresholds abound
  repeated   // few different rows, each many times, and zero rows
};
constexpr rows_kind every_kind[] = {rows_kind::normal, rows_kind::crowded, rows_kind::integers, rows_kind::repeated};

inline const char* name_of(rows_kind kind) {
  switch (kind) {
    case rows_kind::normal: return "normal";
    case rows_kind::crowded: return "crowded";
    case rows_kind::integers: return "integers";
    case rows_kind::repeated: return "repeated";
  }
  return "";
}

inline std::vector<float> rows_of(rows_kind kind, int64_t rows, int64_t dim, seeded_random& random) {
  std::vector<float> values = normal_matrix(random, rows * dim);
  if (kind == rows_kind::crowded)
    for (int64_t k = 0; k < rows * dim; k++)
      values[k] = static_cast<float>(1.0 + static_cast<double>(k % dim) / static_cast<double>(dim) + 1e-4 * values[k]);
  if (kind == rows_kind::integers)
    for (float& v : values) v = static_cast<float>(random.below(5) - 2);
  if (kind == rows_kind::repeated) {
    constexpr int64_t different = 4;
    for (int64_t r = different; r < rows; r++) {
      const int64_t source = random.below(different + 1);
      for (int64_t d = 0; d < dim; d++) values[r * dim + d] = source == different ? 0 : values[source * dim + d];
    }
  }
  return values;
}

inline search_data make_search(rows_kind kind, const search_shape_case& shape, uint64_t seed) {
  seeded_random random(seed);
  search_data data;
  data.shape = shape;
  data.queries = rows_of(kind, shape.queries, shape.dim, random);
  // Crowded rows share their direction already; repeated ones begin with the queries', so that some are equal.
  seeded_random gallery_random(kind == rows_kind::repeated ? seed : seed + 1);
  data.gallery = rows_of(kind, shape.gallery, shape.dim, gallery_random);
  return data;
}

inline void add_labels(search_data& data, int64_t identities, uint64_t seed) {
  seeded_random random(seed);
  data.query_labels.resize(data.shape.queries);
  data.gallery_labels.resize(data.shape.gallery);
  for (std::vector<int32_t>* labels : {&data.query_labels, &data.gallery_labels})
    for (int32_t& label : *labels) label = static_cast<int32_t>(random.below(identities)) - 1;
}

}  // namespace cosface::test
