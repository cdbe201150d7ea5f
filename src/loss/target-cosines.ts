import { gather, maximum, minimum, mul, scalar, squeeze, sum, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { offTape } from '../kernels/not-differentiable.js';
import { checkTensors } from './check-arguments.js';
import type { Labels } from './types.js';
import { rowNorms, unitRows } from './unit-rows.js';

/** What an adaptive loss looks at before it runs; the samples that are ignored are left out. */
export interface BatchStatistics {
  /** cos(x_i, w_y). */
  targetCosines: number[];
  /** |x_i|. */
  norms: number[];
}

/**
 * Reads back norms and target cosines, O(N D) work. Of values that the loss will refuse it makes anything: an adaptive
 * loss keeps nothing of them before the loss has run.
 */
export function batchStatistics(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  ignoreLabel: number,
): BatchStatistics {
  const { tensors, made } = checkTensors(embeddings, weights, labels, {});
  try {
    return offTape(() =>
      tidy(() => {
        const y = tensors.labels.dataSync();
        if (y.length === 0) return { targetCosines: [], norms: [] };
        const last = scalar((weights.shape[0] as number) - 1, 'int32');
        const own = gather(weights, maximum(minimum(tensors.labels, last), scalar(0, 'int32')));
        const cosines = sum(mul(unitRows(embeddings).rows, unitRows(own).rows), 1).dataSync();
        const norms = squeeze(rowNorms(embeddings), [1]).dataSync();
        const counted = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => y[i] !== ignoreLabel);
        return { targetCosines: counted(cosines), norms: counted(norms) };
      }),
    );
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

export function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
