// The ops on a CPU: cosface_margin_softmax on TensorFlow's own buffers, which are neither copied nor kept.
#pragma once

#include "tensorflow/op_call.h"

namespace cosface::tensorflow {

struct cpu_kernel {
  static constexpr char device[] = "CPU";
  // They throw failure.
  static void run_forward(op_call& call);
  static void run_gradient(op_call& call);
};

}  // namespace cosface::tensorflow
