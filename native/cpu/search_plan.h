// How a search is cut into blocks and tasks, and where its memory lies.
//
// A block of queries meets the whole gallery, a task at a time: a block of gallery rows, packed by its worker, against
// a group of queries. What a worker keeps (candidates, counts) is its own until the block of queries is done.
#pragma once

#include <cstdint>

#include "cosface/cosine_search.h"
#include "cpu/kernels/kernels.h"

namespace cosface {

struct search_shape {
  int64_t queries = 0, gallery = 0, dim = 0;
  int64_t query_bytes = 0;   // what each worker keeps for each query of a block
  int64_t worker_bytes = 0;  // what each worker keeps besides
  int64_t shared_bytes = 0;  // what all share
};

// What a worker knows of the gallery block it has packed.
struct gallery_block_state {
  int64_t first, count;
  int64_t formed;    // cosines formed in double so far
  bool twins_known;  // the arrays by_norm and twin are filled
};

// Byte offsets into the workspace, and strides in elements.
struct search_layout {
  int64_t padded_block;  // queries of a block, rounded up to NR
  int64_t gallery_ld;    // stride of a packed gallery block

  int64_t operand;          // float [padded_block / NR][D][NR]: q^, features down
  int64_t squared_queries;  // double [padded_block], |q|^2
  int64_t shared;           // search_shape::shared_bytes

  // one per worker, at workers + worker * worker_bytes
  int64_t workers;
  int64_t worker_bytes;
  int64_t packed;           // float [gallery_block][gallery_ld]: g^
  int64_t strip;            // float [gallery_block][NR]: cosines
  int64_t squared_gallery;  // double [gallery_block], |g|^2 where needed so far
  int64_t memo;             // double [gallery_block], cosines with the query of memo_query
  int64_t memo_query;       // int64 [gallery_block]
  int64_t twin;             // int32 [gallery_block], the first row of the block with the same elements
  int64_t by_norm;          // int32 [gallery_block], rows sorted by |g|^2
  int64_t by_label;         // int32 [gallery_block], rows sorted by label
  int64_t block;            // gallery_block_state
  int64_t per_query;        // search_shape::query_bytes for each query of a block
  int64_t own;              // search_shape::worker_bytes

  int64_t bytes;
};

cosface_search_plan choose_search_plan(const search_shape& shape, int64_t budget, const cpu_kernels& kernels,
                                       int32_t threads);

search_layout lay_out(const search_shape& shape, const cosface_search_plan& plan, const cpu_kernels& kernels);

void print_plan(const search_shape& shape, const cosface_search_plan& plan);

}  // namespace cosface
