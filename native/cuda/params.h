// The parameters of every kernel: one struct each, passed by value, the same for host and device.
#pragma once

#include <cstdint>

namespace cosface::cuda {

struct sgd_update_params {
  float* weights;         // [count]
  float* velocity;        // [count]
  const float* gradient;  // [count]
  int64_t count;
  float learning_rate, momentum, weight_decay;
};

}  // namespace cosface::cuda
