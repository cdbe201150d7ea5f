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

// Pass 2 on tensor cores multiplies probabilities in half: a negative's part of dw over scale x the batch's largest
// |upstream| (1 - p_y), at most 1. It is scaled to at most 2^14, as half ends at 2^16, and from there half holds 14 +
// 24 binary places down. The batch's own largest matters: late in training every 1 - p_y is small.
constexpr int probability_bits = 14;

// Exponent of a power of two above the largest |upstream| (1 - p_y). Known once finish_rows has run.
__device__ inline int pull_exponent(const step_report& report) {
  return report.largest_pull == 0 ? 0 : static_cast<int>(report.largest_pull) - pull_bias;
}

}  // namespace cosface::cuda
