// One step of gradient descent with momentum and weight decay on weights that stay on the device.
//
//   in       gradient [rows, D]; weights, velocity [.., D]; ids [rows], rising, or null: row r of the gradient is for
//            row ids[r] of the others, which stay as they are elsewhere
//   out      velocity = momentum velocity + gradient + weight_decay weights;  weights -= learning_rate velocity
//   passes   one, a thread an element: 12 bytes read and 8 written an element, 8 and 4 without momentum
//   null     velocity: momentum is 0, and nothing is remembered
//   error    four roundings of fp32 an element
//   tail     threads past the end leave
//   source   Sutskever et al., ICML 2013, eq. (1) and (2), with the learning rate applied to the velocity
#pragma once

#include "cuda/gpu.h"
#include "cuda/params.h"

extern "C" __global__ void __launch_bounds__(256) cosface_sgd_update(cosface::cuda::sgd_update_params p) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (k >= p.rows * p.dim) return;
  const int64_t row = k / p.dim;
  const int64_t at = p.ids == nullptr ? k : static_cast<int64_t>(p.ids[row]) * p.dim + k % p.dim;
  const float weight = p.weights[at];
  float step = p.gradient[k] + p.weight_decay * weight;
  if (p.velocity != nullptr) {
    step += p.momentum * p.velocity[at];
    p.velocity[at] = step;
  }
  p.weights[at] = weight - p.learning_rate * step;
}
