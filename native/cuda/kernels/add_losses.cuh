// The reduced loss, for the host, and the derivative by a bias that all classes share.
//
//   in       samples [N]
//   out      report.reduced_loss; d_bias [1]
//   method   one block; each thread adds every 256th loss, then a tree: the order follows from N alone
//   error    double
#pragma once

#include "cuda/kernels/sample_gradient.cuh"

namespace cosface::cuda {

constexpr int loss_threads = 256;

struct loss_shared {
  double sums[loss_threads];
};

// The sum over the samples of one member, for thread 0.
__device__ inline double sum_over_samples(const add_losses_params& p, loss_shared& shared,
                                          double sample_state::*member) {
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0;
  for (int64_t i = thread; i < p.batch; i += loss_threads) sum += p.samples[i].*member;
  shared.sums[thread] = sum;
  for (int half = loss_threads / 2; half > 0; half /= 2) {
    BLOCK_BARRIER();
    if (thread < half) shared.sums[thread] += shared.sums[thread + half];
  }
  return thread == 0 ? shared.sums[0] : 0;
}

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(256) cosface_add_losses(cosface::cuda::add_losses_params p) {
  using namespace cosface::cuda;
  loss_shared& shared = gpu::shared<loss_shared>();
  const double loss = sum_over_samples(p, shared, &sample_state::weighted_loss);
  if (threadIdx.x == 0) p.report->reduced_loss = loss * share_of_sample(*p.report, p.mean);
  if (p.d_bias == nullptr) return;
  BLOCK_BARRIER();
  const double by_bias = sum_over_samples(p, shared, &sample_state::d_bias);
  if (threadIdx.x == 0) p.d_bias[0] = static_cast<float>(by_bias);
}
