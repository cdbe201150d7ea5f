// One step on a device: the sequence of kernels of a plan.
#pragma once

#include <cstddef>

#include "cuda/plan.h"

namespace cosface::cuda {

// Elements of problem.bias, if there is one, and of d_bias.
inline int64_t bias_count(const cosface_margin_softmax_problem& problem,
                          const cosface_margin_softmax_options& options) {
  return options.form == COSFACE_FORM_BINARY ? 1 : problem.classes;
}

// A problem whose arrays are device memory. `problem.classes` is the count of `class_ids` where there are any: row c
// of the weights is then row class_ids[c] of problem.weights (K rows from row K class_ids[c] on, with sub-centers),
// d_weights has a row for each c, bias and d_bias an element, and labels and predictions are positions in the list.
struct device_problem {
  cosface_margin_softmax_problem problem;
  const int32_t* class_ids;  // device memory, rising; null: all classes
};

// Queues the plan's kernels, waits for them and reads the report. Dimensions and options are those that the plan was
// made for, and already checked; labels and values are checked here, on the device. The arrays of `results` are device
// memory and may be null as in the C ABI; its counts are filled on the host. `workspace` has plan.workspace_bytes,
// aligned to 256 bytes. Throws failure; the outputs are then unspecified. The caller holds a context_scope.
void run_step(queue& queue, const step_plan& plan, const device_problem& problem,
              const cosface_margin_softmax_options& options, cosface_margin_softmax_results& results,
              std::byte* workspace);

}  // namespace cosface::cuda
