// The reduced loss, for the host.
//
//   in       samples [N]
//   out      report.reduced_loss
//   method   one block; each thread adds every 256th loss, then a tree: the order follows from N alone
//   error    double
#pragma once

#include "cuda/kernels/sample_gradient.cuh"

namespace cosface::cuda {

constexpr int loss_threads = 256;

struct loss_shared {
  double sums[loss_threads];
};

}  // namespace cosface::cuda

extern "C" __global__ void __launch_bounds__(256) cosface_add_losses(cosface::cuda::add_losses_params p) {
  using namespace cosface::cuda;
  loss_shared& shared = gpu::shared<loss_shared>();
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0;
  for (int64_t i = thread; i < p.batch; i += loss_threads) sum += p.samples[i].weighted_loss;
  shared.sums[thread] = sum;
  for (int half = loss_threads / 2; half > 0; half /= 2) {
    BLOCK_BARRIER();
    if (thread < half) shared.sums[thread] += shared.sums[thread + half];
  }
  if (thread == 0) p.report->reduced_loss = shared.sums[0] * share_of_sample(*p.report, p.mean);
}
