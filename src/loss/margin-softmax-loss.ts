import type { Tensor } from '@tensorflow/tfjs-core';
import { familyCall } from './family-call.js';
import { checkMarginOptions } from './margin-softmax.js';
import { runLoss } from './run-margin-softmax.js';
import type { Labels, MarginSoftmaxOptions } from './types.js';

/**
 * The loss of `marginSoftmax` alone: the family of NormFace, CosFace, ArcFace and SphereFace with all three margins.
 *
 * Arguments, options, errors and source as `marginSoftmax`.
 *
 * @returns A scalar, or [N] with reduction `none`; float32, in nats. Differentiable, once, by embeddings, weights,
 * bias, sample weights and sample margins.
 * @example
 * const loss = marginSoftmaxLoss(x, w, y, { scale: 64, m1: 1, m2: 0.3, m3: 0.2 });
 */
export function marginSoftmaxLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: MarginSoftmaxOptions = {},
): Tensor {
  return runLoss(familyCall({ embeddings, weights, labels, options }, checkMarginOptions(options)));
}
