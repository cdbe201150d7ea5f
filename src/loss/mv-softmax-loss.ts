import type { Tensor } from '@tensorflow/tfjs-core';
import { FALLBACKS } from './arcface-loss.js';
import {
  checkChoice,
  checkNumber,
  checkOptionNames,
  M2_RANGE,
  M3_RANGE,
  NONNEGATIVE_RANGE,
  optionNames,
} from './check-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { Fallback, Labels, LossOptions } from './types.js';

const NAMES = optionNames('kind', 'margin', 't', 'fallback');

export interface MvSoftmaxLossOptions extends LossOptions {
  /** Which margin the target has: `arc`, s psi(t + m), or `am` (default), s (cos t - m). */
  kind?: 'arc' | 'am' | undefined;
  /** m. Default 0.5 with `arc`, 0.35 with `am`, the paper's. `sampleMargins` replaces it. */
  margin?: number | undefined;
  /** How much more a hard negative weighs, at least 0. Default 0.2. The authors' code has `mv_weight` = 1 + t. */
  t?: number | undefined;
  /** As in `arcFaceLoss`, for `arc`. Default `continuous`. */
  fallback?: Fallback | undefined;
}

/**
 * MV-Softmax (SV-Softmax with a margin): negatives above the target's margined cosine weigh more.
 *
 *   z_ic = s ((1 + t) cos_ic + t)   where cos_ic > cos with margin of the target,   s cos_ic elsewhere
 *
 * That is the paper's adaptive weight exp(s t (cos + 1)) on the exponential. The choice of hard negatives is constant in
 * the gradient. Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Wang et al., Mis-classified Vector Guided Softmax Loss for Face Recognition, AAAI 2020, eq. (6) to (9).
 * @example
 * const loss = mvSoftmaxLoss(x, w, y, { kind: 'arc', margin: 0.5, t: 0.2 });
 */
export function mvSoftmaxLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: MvSoftmaxLossOptions = {},
): Tensor {
  return runLoss(mvSoftmaxCall({ embeddings, weights, labels, options }));
}

/** What `mvSoftmaxLoss` runs. */
export function mvSoftmaxCall(call: LossCall<MvSoftmaxLossOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const arc = checkChoice('kind', options.kind ?? 'am', ['arc', 'am']) === 'arc';
  const t = checkNumber('t', options.t ?? 0.2, NONNEGATIVE_RANGE);
  const margin = checkNumber('margin', options.margin ?? (arc ? 0.5 : 0.35), arc ? M2_RANGE : M3_RANGE);
  const fallback = checkChoice('fallback', options.fallback ?? 'continuous', FALLBACKS);
  const term = arc ? 'm2' : 'm3';
  return {
    ...call,
    margins: { m1: 1, m2: 0, m3: 0, [term]: margin, sampleMarginTerm: term },
    family: { fallback, negatives: { kind: arc ? 'mv-arc' : 'mv-am', t } },
  };
}
