// Puts the dominant negatives' exponentials from double where pass 2 reads them.
//
//   in       corrected_row, corrected [N]
//   out      exponentials [row of w][sample] of a chunk: one element a row at most
#pragma once

#include "cuda/kernels/count_samples.cuh"

extern "C" __global__ void __launch_bounds__(128)
    cosface_patch_exponentials(cosface::cuda::patch_exponentials_params p) {
  using namespace cosface::cuda;
  const int64_t i = sample_of_thread();
  if (i >= p.batch) return;
  const int64_t within = p.corrected_row[i] - p.first;
  if (p.corrected_row[i] >= 0 && within >= 0 && within < p.count)
    p.exponentials[within * p.padded_batch + i] = p.corrected[i];
}
