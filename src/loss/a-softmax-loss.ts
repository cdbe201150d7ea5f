import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, M1_RANGE, NONNEGATIVE_RANGE, optionNames } from './check-options.js';
import { runClassLoss } from './run-class-loss.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin', 'lambda');

export interface ASoftmaxLossOptions extends LossOptions {
  /** m in psi(m t), any number in (0, 16]. Default 4, the papers'. `sampleMargins` replaces it, in the same range. */
  margin?: number | undefined;
  /** lambda in (lambda cos t + psi(m t)) / (1 + lambda), at least 0. Default 0; `annealedLambda` gives a schedule. */
  lambda?: number | undefined;
  /** Factor on the logits. Default 1: the rows' own lengths are the scale. */
  scale?: number | undefined;
}

/**
 * A-Softmax (SphereFace) with the features' own length: centres are unit vectors, embeddings are not.
 *
 *   z_iy = |x_i| (lambda cos t + psi(m t)) / (1 + lambda),   z_ic = |x_i| cos t_c
 *
 * psi falls over all of [0, pi]: (-1)^k cos(m t) - 2k for m t in [k pi, (k + 1) pi]. With normalised features this is
 * `sphereFaceLoss`. Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Liu et al., SphereFace, CVPR 2017, eq. (7); lambda: its appendix and the authors' code.
 * @example
 * const loss = aSoftmaxLoss(x, w, y, { margin: 4, lambda: annealedLambda({ step }) });
 */
export function aSoftmaxLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: ASoftmaxLossOptions = {},
): Tensor {
  return multiplicative('aSoftmaxLoss', true, { embeddings, weights, labels, options });
}

/** The margin on the angle of rows whose lengths are the scale: A-Softmax with unit centres, L-Softmax without. */
export function multiplicative(
  label: string,
  normalizeWeights: boolean,
  call: { embeddings: Tensor; weights: Tensor; labels: Labels; options: ASoftmaxLossOptions },
): Tensor {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const m1 = checkNumber('margin', options.margin ?? 4, M1_RANGE);
  const annealing = checkNumber('lambda', options.lambda ?? 0, NONNEGATIVE_RANGE);
  return runClassLoss({
    ...{ ...call, label, sampleMarginTerm: 'm1', defaultScale: 1 },
    attrs: { m1, annealing, normalizeEmbeddings: false, normalizeWeights },
  });
}
