// Argument checks and the words of every error that the C ABI gives.
#pragma once

#include "cosface/margin_softmax.h"

namespace cosface {

// Fills *error (unless null) and returns `status`. printf-style.
#if defined(__GNUC__)
__attribute__((format(printf, 5, 6)))
#endif
cosface_status
fill_error(cosface_error* error, cosface_status status, const char* argument, int64_t index, const char* format, ...);

constexpr int64_t largest_count = INT32_MAX;

// Dimensions and options; O(1), reads no data.
cosface_status check_shape(const cosface_margin_softmax_problem& problem, cosface_error* error);
cosface_status check_options(const cosface_margin_softmax_options& options, cosface_error* error);
// The part of check_options beyond the margins, and what goes together with what (check_family.cc).
cosface_status check_family(const cosface_margin_softmax_options& options, cosface_error* error);
// What needs both: the rows of w, and the bias.
cosface_status check_classes(const cosface_margin_softmax_problem& problem,
                             const cosface_margin_softmax_options& options, cosface_error* error);

// Pointers, labels, sample weights, margins and upstream gradient; O(N). `labels` is the copy that
// the run will use, so that nobody can change a label between this check and its use.
cosface_status check_samples(const cosface_margin_softmax_problem& problem,
                             const cosface_margin_softmax_options& options, const int32_t* labels,
                             cosface_error* error);
// Whether the classes that take part rise within [0, C); O(S). `class_ids` is the run's copy, as `labels` above.
cosface_status check_class_ids(const cosface_margin_softmax_problem& problem, const int32_t* class_ids,
                               cosface_error* error);
// The error of a label whose class does not take part.
cosface_status label_not_sampled(int64_t index, int32_t label, cosface_error* error);
cosface_status check_buffers(const cosface_margin_softmax_problem& problem,
                             const cosface_margin_softmax_options& options,
                             const cosface_margin_softmax_results& results, bool updates, cosface_error* error);

cosface_status check_dimension(const char* argument, const char* letter, int64_t value, int64_t least, int64_t largest,
                               cosface_error* error);
cosface_status check_dim(int64_t dim, cosface_error* error);
cosface_status check_resources(int32_t threads, int64_t workspace_bytes, cosface_error* error);
cosface_status check_present(const char* argument, const void* data, int64_t count, cosface_error* error);

// Names the first NaN or Inf of a matrix [rows, dim]; COSFACE_OK where there is none.
cosface_status find_in_matrix(const char* argument, const float* values, int64_t rows, int64_t dim,
                              cosface_error* error);

// The same for one row of it: `values` are its `dim` elements.
cosface_status find_in_row(const char* argument, const float* values, int64_t row, int64_t dim, cosface_error* error);

// Names the first NaN or Inf of the embeddings, else of the rows of the weights that take part; COSFACE_OK where there
// is none. `class_ids` is the run's copy; null: all rows.
cosface_status find_not_finite(const cosface_margin_softmax_problem& problem,
                               const cosface_margin_softmax_options& options, const int32_t* class_ids,
                               cosface_error* error);

}  // namespace cosface
