import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, M1_RANGE, optionNames } from './check-options.js';
import { runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin');

export interface SphereFaceLossOptions extends LossOptions {
  /** m in s psi(m t), any number in (0, 16]. Default 4, the paper's. `sampleMargins` replaces it, in the same range. */
  margin?: number | undefined;
}

/**
 * SphereFace (A-Softmax) on normalised features: a multiplicative margin on the angle.
 *
 * The paper trains with the features' own length in place of a scale, and blends the margin in over time, because
 * m = 4 from the start is hard to learn; here, raise `margin` from 1 over the first epochs to the same end.
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
  checkOptionNames(options, NAMES);
  const m1 = checkNumber('margin', options.margin ?? 4, M1_RANGE);
  return runLoss({ embeddings, weights, labels, options, margins: { m1, m2: 0, m3: 0, sampleMarginTerm: 'm1' } });
}
