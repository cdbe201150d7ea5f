// Counts the samples that matter, finds the largest upstream gradient, and checks what is given per sample.
//
//   in       labels, sample weights, margins, loss gradients [N], all but the first optional
//   out      report: counted, largest_upstream; faults: the lowest index of each kind of bad value
//   passes   one over 16 N bytes; a thread per sample
//   order    integer atomics only (counts, maxima and minima), so the schedule cannot show
//   range    |weight x loss gradient| is formed in float and may overflow to Inf only where the gradient would too
#pragma once

#include "cuda/kernels/warp.cuh"

namespace cosface::cuda {

constexpr int sample_block_threads = 128;

__device__ inline int64_t sample_of_thread() {
  return static_cast<int64_t>(blockIdx.x) * sample_block_threads + threadIdx.x;
}

__device__ inline void check_value(const float* values, int64_t i, uint32_t* first_fault) {
  if (values != nullptr && !isfinite(values[i])) atomicMin(first_fault, static_cast<uint32_t>(i));
}

__device__ inline void check_margin(const count_samples_params& p, int number, int64_t i) {
  if (p.margins.values[number] == nullptr) return;
  const float margin = p.margins.values[number][i];
  const margin_bounds& bounds = p.bounds[number];
  if ((bounds.above_least ? margin > bounds.least : margin >= bounds.least) && margin <= bounds.largest) return;
  atomicMin(&p.faults->sample_margin, static_cast<uint32_t>(i));
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(128) cosface_count_samples(cosface::cuda::count_samples_params p) {
  using namespace cosface::cuda;
  const int64_t i = sample_of_thread();
  if (i >= p.batch) return;
  const int32_t label = p.labels[i];
  const bool ignored = label == p.ignore_label;
  if (!ignored && (label < 0 || label >= p.classes)) atomicMin(&p.faults->label, static_cast<uint32_t>(i));
  check_value(p.sample_weights, i, &p.faults->sample_weight);
  check_value(p.loss_gradient, i, &p.faults->loss_gradient);
  for (int number = 0; number < 3; number++) check_margin(p, number, i);
  const float weight = p.sample_weights == nullptr ? 1.0f : p.sample_weights[i];
  if (ignored || weight == 0) return;
  atomicAdd(&p.report->counted, 1u);
  const float upstream = fabsf(weight * (p.loss_gradient == nullptr ? 1.0f : p.loss_gradient[i]));
  atomicMax(&p.report->largest_upstream, float_bits(upstream));  // floats >= 0 are ordered as their bits are
}
