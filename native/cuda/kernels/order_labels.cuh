// Sorts the samples by label, so that each class finds its own by a binary search.
//
//   in       targets [N]
//   out      order [N], ordered_labels [N]: by label, then by index
//   method   each sample counts the ones before it: N^2 comparisons, no exchange between threads and one result
//            whatever the schedule. At N = 65,536 that is 4e9 integer operations, a few ms; the products of such a
//            batch with 1,000 classes of 512 features take 2e11
#pragma once

#include "cuda/kernels/count_samples.cuh"

extern "C" __global__ void __launch_bounds__(128) cosface_order_labels(cosface::cuda::order_labels_params p) {
  using namespace cosface::cuda;
  const int64_t i = sample_of_thread();
  if (i >= p.batch) return;
  const int32_t label = p.targets[i];
  int64_t rank = 0;
  for (int64_t j = 0; j < p.batch; j++) {
    const int32_t other = p.targets[j];
    rank += other < label || (other == label && j < i);
  }
  p.order[rank] = static_cast<int32_t>(i);
  p.ordered_labels[rank] = label;
}
