// A call on arrays of the host: to the device, run, and back.
#pragma once

#include "cosface/cuda.h"
#include "cuda/open_device.h"
#include "cuda/plan.h"

namespace cosface::cuda {

// Weights that are on the device already, and where their gradient stays; null: on the host, as everything else.
struct weights_on_device {
  const float* weights = nullptr;
  float* gradient = nullptr;
};

// Throws failure for dimensions, options or buffers that are wrong: native/cpu/check.h.
void check_call(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_options& options,
                const cosface_margin_softmax_results& results);

step_shape shape_of(const cosface_margin_softmax_problem& problem, const cosface_margin_softmax_results& results,
                    bool gradients);

// Ids on the host: rising, each in [0, total). Throws failure.
void check_subset(const cosface_cuda_class_subset& subset, int64_t count);

// Throws failure; the outputs are then unspecified.
void run_on_host_arrays(const device_turn& turn, const cosface_cuda_call& call, bool gradients,
                        const weights_on_device& resident);

}  // namespace cosface::cuda
