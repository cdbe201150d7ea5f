import type { Tensor } from '@tensorflow/tfjs-core';
import { ANNEALING_RANGE, checkNumber, checkOptionNames, M1_RANGE } from './check-options.js';
import { familyCall } from './family-call.js';
import { familyOptionNames } from './family-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { FamilyOptions, Labels } from './types.js';

const NAMES = familyOptionNames('margin', 'lambda');

export interface SphereFaceLossOptions extends FamilyOptions {
  /** m in s psi(m t), any number in (0, 16]. Default 4, the paper's. `sampleMargins` replaces it, in the same range. */
  margin?: number | undefined;
  /** lambda in (lambda cos t + psi(m t)) / (1 + lambda), at least 0. Default 0; `annealedLambda` gives the papers' schedule. */
  lambda?: number | undefined;
}

/**
 * SphereFace (A-Softmax) on normalised features: a multiplicative margin on the angle.
 *
 * The paper trains with the features' own length in place of a scale, which is `aSoftmaxLoss`, and blends the margin in
 * over time with `lambda`, because m = 4 from the start is hard to learn.
 *
 * Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Liu et al., SphereFace, CVPR 2017, eq. (7) and its m = 4; the normalised form is A-Softmax-NormFea of the
 * CosFace paper (table 2), whose s = 64 is the default.
 * @example
 * const loss = sphereFaceLoss(x, w, y, { scale: 30, margin: 1.7 });
 */
export function sphereFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: SphereFaceLossOptions = {},
): Tensor {
  return runLoss(sphereFaceCall({ embeddings, weights, labels, options }));
}

/** What `sphereFaceLoss` runs. */
export function sphereFaceCall(call: LossCall<SphereFaceLossOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const m1 = checkNumber('margin', options.margin ?? 4, M1_RANGE);
  const annealing = checkNumber('lambda', options.lambda ?? 0, ANNEALING_RANGE);
  const margins = { m1, m2: 0, m3: 0, sampleMarginTerm: 'm1' } as const;
  return familyCall(call, { margins, annealing });
}
