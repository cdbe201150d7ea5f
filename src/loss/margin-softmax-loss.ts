import type { Tensor } from '@tensorflow/tfjs-core';
import { familyOptionNames } from './family-options.js';
import { checkMargins } from './margin-softmax.js';
import { runFamily } from './run-family.js';
import type { Labels, MarginSoftmaxLossOptions } from './types.js';

const NAMES = familyOptionNames('m1', 'm2', 'm3', 'sampleMarginTerm');

/**
 * The loss of `marginSoftmax` alone: the family of NormFace, CosFace, ArcFace and SphereFace with all three margins.
 *
 * Arguments, errors and source as `marginSoftmax`; options too, and `FamilyOptions` (label smoothing, inter-class
 * filtering, hard negatives, sub-centres, rows that are not normalised, a bias).
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
  options: MarginSoftmaxLossOptions = {},
): Tensor {
  const margins = checkMargins(options, NAMES);
  return runFamily({ embeddings, weights, labels, options, margins, label: 'marginSoftmaxLoss' });
}
