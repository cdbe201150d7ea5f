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

// Dimensions and options; O(1), reads no data.
cosface_status check_shape(const cosface_margin_softmax_problem& problem, cosface_error* error);
cosface_status check_options(const cosface_margin_softmax_options& options, cosface_error* error);

// Pointers, labels, sample weights, margins and upstream gradient; O(N). `labels` is the copy that
// the run will use, so that nobody can change a label between this check and its use.
cosface_status check_samples(const cosface_margin_softmax_problem& problem,
                             const cosface_margin_softmax_options& options, const int32_t* labels,
                             cosface_error* error);
cosface_status check_buffers(const cosface_margin_softmax_problem& problem,
                             const cosface_margin_softmax_options& options,
                             const cosface_margin_softmax_results& results, cosface_error* error);

// Names the first NaN or Inf of the embeddings, else of the weights; COSFACE_OK where there is none.
cosface_status find_not_finite(const cosface_margin_softmax_problem& problem, cosface_error* error);

}  // namespace cosface
