import type { Tensor } from '@tensorflow/tfjs-core';
import { FALLBACKS } from './arcface-loss.js';
import {
  ANNEALING_RANGE,
  checkChoice,
  checkNumber,
  checkOptionNames,
  M1_RANGE,
  M2_RANGE,
  M3_RANGE,
} from './check-options.js';
import { type FamilyRule, familyCall } from './family-call.js';
import { familyOptionNames } from './family-options.js';
import { runMarginSoftmax } from './run-margin-softmax.js';
import type { Labels, MarginSoftmaxOptions, MarginSoftmaxTensorResult, Margins } from './types.js';

const NAMES = familyOptionNames('m1', 'm2', 'm3', 'sampleMarginTerm', 'fallback', 'lambda');
const TERMS = ['m1', 'm2', 'm3'] as const;

/**
 * Margin softmax with everything it yields: the loss, the cosine to the own class and the prediction, in one pass.
 *
 *   cos_ic = <x_i, w_c> / (|x_i| |w_c|)
 *   z_iy = s (psi(m1 acos(cos_iy) + m2) - m3),  z_ic = s cos_ic for the other classes
 *   loss_i = sampleWeight_i * -log softmax(z_i)[y_i]
 *
 * psi is cos on [0, pi] and goes on falling, without a jump, beyond it.
 *
 * @param embeddings - x, [N, D] float32; rows need not be normalised. A zero row has cosine 0 and gradient 0.
 * @param weights - w, [C, D] float32, one row per class.
 * @param labels - y, [N] int32 tensor or array, each in [0, C) or `ignoreLabel`.
 * @param options - See `MarginSoftmaxOptions`: (m1, m2, m3) = (1, 0, 0) is NormFace, (1, 0, 0.35) CosFace,
 * (1, 0.5, 0) ArcFace, (4, 0, 0) SphereFace. `FamilyOptions` and what docs/losses.md makes of them go with it: label
 * smoothing, inter-class filtering, hard negatives, sub-centres, rows that are not normalised, a bias.
 * @returns Loss, target cosine and prediction. Only the loss is differentiable, once, by embeddings, weights,
 * sample weights and sample margins; going back through the others, or twice, throws COSFACE_NOT_DIFFERENTIABLE.
 * @throws {CosFaceError} COSFACE_RANK, COSFACE_SHAPE, COSFACE_DTYPE, COSFACE_DISPOSED, COSFACE_OPTION_RANGE,
 * COSFACE_LABEL_RANGE, COSFACE_NOT_FINITE or COSFACE_MARGIN_RANGE; names the argument and what to do.
 *
 * Source: Wang et al., CosFace, CVPR 2018, eq. (4); psi from Liu et al., SphereFace, CVPR 2017, eq. (7).
 * @example
 * const { loss, targetCosine, prediction } = marginSoftmax(x, w, [0, 2, 1], { m2: 0.5, m3: 0.1 });
 */
export function marginSoftmax(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: MarginSoftmaxOptions = {},
): MarginSoftmaxTensorResult {
  return runMarginSoftmax(familyCall({ embeddings, weights, labels, options }, checkMarginOptions(options)));
}

/** The options of `marginSoftmax`, its own among them checked and with their defaults. */
export function checkMarginOptions(options: MarginSoftmaxOptions): FamilyRule {
  checkOptionNames(options, NAMES);
  const margins: Margins = {
    m1: checkNumber('m1', options.m1 ?? 1, M1_RANGE),
    m2: checkNumber('m2', options.m2 ?? 0, M2_RANGE),
    m3: checkNumber('m3', options.m3 ?? 0, M3_RANGE),
    sampleMarginTerm: checkChoice('sampleMarginTerm', options.sampleMarginTerm ?? 'm3', TERMS),
  };
  return {
    margins,
    fallback: checkChoice('fallback', options.fallback ?? 'continuous', FALLBACKS),
    annealing: checkNumber('lambda', options.lambda ?? 0, ANNEALING_RANGE),
  };
}
