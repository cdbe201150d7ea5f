import { type Tensor, zeros, zerosLike } from '@tensorflow/tfjs-core';
import { differentiable, type ValueAndGradients } from '../kernels/differentiable.js';
import { type BatchPairs, batchPairs } from './batch-pairs.js';
import { checkBatch } from './check-arguments.js';
import { checkBoolean, checkChoice, checkCommonOptions } from './check-options.js';
import type { Labels } from './types.js';

/** The options of losses between the samples of a batch. */
export interface BatchLossOptions {
  /** Whether embeddings are compared as unit vectors. Default true. */
  normalize?: boolean | undefined;
  /** `mean` (default) or `sum` over what the loss counts. */
  reduction?: 'mean' | 'sum' | undefined;
  /** The label of samples that do not count; an int32. Default -1. */
  ignoreLabel?: number | undefined;
}

export const BATCH_OPTION_NAMES: readonly string[] = ['normalize', 'reduction', 'ignoreLabel'];

/** What a loss between samples makes of the pairs. */
export type PairLoss = (
  pairs: BatchPairs,
  options: { mean: boolean; withGradients: boolean },
) => { loss: Tensor; dEmbeddings?: Tensor };

/** Runs a loss between the samples of a batch, differentiable by the embeddings. */
export function runBatchLoss(
  label: string,
  embeddings: Tensor,
  labels: Labels,
  options: BatchLossOptions,
  pairLoss: PairLoss,
): Tensor {
  const normalize = checkBoolean('normalize', options.normalize ?? true);
  const mean = checkChoice('reduction', options.reduction ?? 'mean', ['mean', 'sum']) === 'mean';
  const { ignoreLabel } = checkCommonOptions({ ignoreLabel: options.ignoreLabel });
  const checked = checkBatch(embeddings, labels);
  try {
    return differentiable({
      ...{ label, inputs: ['embeddings'], reduced: true },
      tensors: { embeddings, labels: checked.labels },
      compute: (tensors, withGradients): ValueAndGradients => {
        if (tensors.labels.size === 0) {
          return { loss: zeros([]), gradients: { embeddings: zerosLike(tensors.embeddings) } };
        }
        const pairs = batchPairs(tensors.embeddings, tensors.labels, ignoreLabel, normalize);
        const { loss, dEmbeddings } = pairLoss(pairs, { mean, withGradients });
        return { loss, gradients: dEmbeddings ? { embeddings: dEmbeddings } : {} };
      },
    });
  } finally {
    for (const tensor of checked.made) tensor.dispose();
  }
}
