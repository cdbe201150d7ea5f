import type { Tensor } from '@tensorflow/tfjs-core';
import { type ASoftmaxLossOptions, aSoftmaxCall } from './a-softmax-loss.js';
import { runLoss } from './run-margin-softmax.js';
import type { Labels } from './types.js';

export type LSoftmaxLossOptions = ASoftmaxLossOptions;

/**
 * L-Softmax: the first margin on the angle, with neither embeddings nor centres normalised.
 *
 *   z_iy = |w_y| |x_i| (lambda cos t + psi(m t)) / (1 + lambda),   z_ic = <x_i, w_c>
 *
 * Its margin is a whole number in the paper; any number works here. Arguments, options, result and errors as
 * `aSoftmaxLoss`.
 *
 * Source: Liu et al., Large-Margin Softmax Loss for Convolutional Neural Networks, ICML 2016, eq. (4) to (6).
 * @example
 * const loss = lSoftmaxLoss(x, w, y, { margin: 2 });
 */
export function lSoftmaxLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: LSoftmaxLossOptions = {},
): Tensor {
  return runLoss(aSoftmaxCall({ embeddings, weights, labels, options }, false));
}
