import type { Tensor } from '@tensorflow/tfjs-core';
import { ANNEALING_RANGE, checkNumber, checkOptionNames, M1_RANGE, optionNames } from './check-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
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
  return runLoss(aSoftmaxCall({ embeddings, weights, labels, options }));
}

/** What `aSoftmaxLoss` runs, with unit centres; what `lSoftmaxLoss` runs, without. */
export function aSoftmaxCall(call: LossCall<ASoftmaxLossOptions>, normalizeWeights = true): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const m1 = checkNumber('margin', options.margin ?? 4, M1_RANGE);
  const annealing = checkNumber('lambda', options.lambda ?? 0, ANNEALING_RANGE);
  return {
    ...{ ...call, defaultScale: 1 },
    margins: { m1, m2: 0, m3: 0, sampleMarginTerm: 'm1' },
    family: { annealing, normalizeEmbeddings: false, normalizeWeights },
  };
}
