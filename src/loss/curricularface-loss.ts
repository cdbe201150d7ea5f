import type { Tensor } from '@tensorflow/tfjs-core';
import { FALLBACKS } from './arcface-loss.js';
import {
  checkChoice,
  checkCommonOptions,
  checkNumber,
  checkOptionNames,
  M2_RANGE,
  optionNames,
  SHARE_RANGE,
} from './check-options.js';
import { runLoss } from './run-margin-softmax.js';
import { batchStatistics, mean } from './target-cosines.js';
import type { Fallback, Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin', 'fallback', 'state', 'momentum');

/** What CurricularFace carries from step to step. Plain data: save it with the weights. */
export interface CurricularFaceState {
  /** The moving average of the batches' mean target cosine. Starts at 0. */
  t: number;
}

export interface CurricularFaceLossOptions extends LossOptions {
  /** m in s psi(t + m), in radians, in [0, pi]. Default 0.5, the paper's. `sampleMargins` replaces it. */
  margin?: number | undefined;
  /** As in `arcFaceLoss`. Default `continuous`; the authors' code has `hard`. */
  fallback?: Fallback | undefined;
  /** Updated by each call, before its value is used. Default: t is the batch's own mean. */
  state?: CurricularFaceState | undefined;
  /** How much of the old t is kept, in [0, 1). Default 0.99, the paper's. */
  momentum?: number | undefined;
}

/**
 * CurricularFace: ArcFace in which hard negatives weigh more as training goes on.
 *
 *   z_ic = s cos_ic (t + cos_ic)   where cos_ic > cos(t_y + m),   s cos_ic elsewhere
 *   t    = momentum t + (1 - momentum) mean_i cos_iy
 *
 * t and the choice of hard negatives are constants in the gradient. Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Huang et al., CurricularFace, CVPR 2020, eq. (5), (6) and (13).
 * @example
 * const state = { t: 0 };
 * const loss = curricularFaceLoss(x, w, y, { state });
 */
export function curricularFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: CurricularFaceLossOptions = {},
): Tensor {
  checkOptionNames(options, NAMES);
  const { ignoreLabel } = checkCommonOptions(options);
  const m2 = checkNumber('margin', options.margin ?? 0.5, M2_RANGE);
  const fallback = checkChoice('fallback', options.fallback ?? 'continuous', FALLBACKS);
  const momentum = checkNumber('momentum', options.momentum ?? 0.99, SHARE_RANGE);
  const { state } = options;
  if (state) checkNumber('state.t', state.t, { holds: (v) => v >= -1 && v <= 1, text: 'a number in [-1, 1]' });
  const { targetCosines } = batchStatistics(embeddings, weights, labels, ignoreLabel);
  const now = targetCosines.length > 0 ? mean(targetCosines) : (state?.t ?? 0);
  const t = Math.min(1, Math.max(-1, state ? momentum * state.t + (1 - momentum) * now : now));
  const loss = runLoss({
    ...{ embeddings, weights, labels, options },
    margins: { m1: 1, m2, m3: 0, sampleMarginTerm: 'm2' },
    family: { fallback, negatives: { kind: 'curricular', t } },
  });
  if (state) state.t = t;
  return loss;
}
