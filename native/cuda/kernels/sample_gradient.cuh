// What the batch as a whole says of each sample's gradient. Known once count_samples has run.
#pragma once

#include "cuda/kernels/warp.cuh"

namespace cosface::cuda {

// What the mean multiplies each sample with; 1 for a sum.
__device__ inline double share_of_sample(const step_report& report, bool mean) {
  return mean && report.counted > 0 ? 1.0 / report.counted : 1.0;
}

// A power of two near the largest |upstream|. It is kept out of the fp32 products, where it would meet exponentials
// of up to 2^124 or down to 2^-124, and multiplied back when dw is finished.
__device__ inline double gradient_unit(const step_report& report, bool mean) {
  const double largest = bits_float(report.largest_upstream) * share_of_sample(report, mean);
  return largest > 0 ? exp2(floor(log2(largest))) : 1;
}

// Products of pass 2 on tensor cores are scaled so that a probability of 1 stands at 2^14: half ends at 2^16, and its
// last 24 + 14 binary places below that are a probability of 2^-38.
constexpr int probability_bits = 14;

}  // namespace cosface::cuda
