// The derivative by the bias of each class of a chunk.
//
//   in       exponentials [row of w][sample], patched; what each sample multiplies them with
//   out      d_bias [classes of the chunk]
//   passes   one over the exponentials, a warp a class: 4 bytes an element
//   error    double, rounded once
#pragma once

#include "cuda/kernels/warp.cuh"

extern "C" __global__ void __launch_bounds__(128) cosface_sum_bias(cosface::cuda::sum_bias_params p) {
  using namespace cosface::cuda;
  const int64_t within = row_of_warp();
  if (within >= p.classes) return;
  const int64_t c = p.first_class + within;
  double sum = 0;
  for (int64_t i = lane_of_thread(); i < p.batch; i += warp_size) {
    const bias_terms& terms = p.terms[i];
    if (p.targets[i] == c) {
      sum += terms.of_target;
      continue;
    }
    sum += terms.of_others;
    for (int64_t r = within * p.centers; r < (within + 1) * p.centers; r++)
      sum += terms.of_negatives * p.exponentials[r * p.padded_batch + i];
  }
  sum = warp_sum(sum);
  if (lane_of_thread() == 0) p.d_bias[within] = static_cast<float>(sum);
}
