// Margin softmax as ops of the TensorFlow that tfjs-node has loaded.
#pragma once

#include <string>
#include <vector>

namespace cosface::tensorflow {

struct registration {
  // What was registered by this call and not before, by this addon or by another copy of it.
  bool new_op = false;
  // Device types that have kernels now, as TensorFlow says: "CPU", "GPU".
  std::vector<std::string> devices;
  // Why there is no kernel for the GPU; empty where there is one.
  std::string gpu_reason;
};

// Registers the ops CosfaceMarginSoftmaxV2 and CosfaceMarginSoftmaxGradV2 in the TensorFlow library that the loaded
// module `binding_path` (tfjs_binding.node) depends on: for the CPU, and for the GPU where the CUDA library finds one,
// unless `without_gpu` says why none is wanted. Elsewhere TensorFlow runs them on the CPU. May be called from any
// thread and any number of times. Pins the addon: TensorFlow keeps pointers into it until the process ends. False with
// the reason in `error`.
bool register_op(const std::string& binding_path, const std::string& without_gpu, registration* outcome,
                 std::string* error);

}  // namespace cosface::tensorflow
