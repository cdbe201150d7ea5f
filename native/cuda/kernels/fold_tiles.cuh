// Joins what the tiles of a chunk found of each row, and after the last chunk of row maxima makes shifts of them.
//
//   in       tile_sums, tile_best, tile_best_class [tiles, padded N]; the partial of the chunks before
//   out      partials [padded N]; shifts [padded N]: a whole number that brings the largest logit to (-1, 0]
//   passes   one; a thread per row, neighbouring rows side by side
//   error    sums over tiles in double
#pragma once

#include "cuda/kernels/count_samples.cuh"

extern "C" __global__ void __launch_bounds__(128) cosface_fold_tiles(cosface::cuda::fold_tiles_params p) {
  using namespace cosface::cuda;
  const int64_t i = sample_of_thread();
  if (i >= p.padded_batch) return;
  row_partial partial = p.first_chunk ? row_partial{0, p.shifts[i], no_logit, -1, 0} : p.partials[i];
  for (int64_t k = i; k < p.tiles * p.padded_batch; k += p.padded_batch) {
    if (p.aim == logit_aim::exponentials) partial.sum += p.tile_sums[k];
    if (p.tile_best[k] > partial.best) {
      partial.best = p.tile_best[k];
      partial.best_class = p.tile_best_class[k];
    }
  }
  p.partials[i] = partial;
  if (p.aim == logit_aim::row_maxima && p.last_chunk) p.shifts[i] = partial.best > no_logit ? -ceilf(partial.best) : 0;
}
