import type { Tensor } from '@tensorflow/tfjs-core';
import { checkChoice, checkNumber, checkOptionNames, M2_RANGE } from './check-options.js';
import { familyCall } from './family-call.js';
import { familyOptionNames } from './family-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { Fallback, FamilyOptions, Labels } from './types.js';

const NAMES = familyOptionNames('margin', 'fallback');
export const FALLBACKS: readonly Fallback[] = ['continuous', 'none', 'easy', 'hard'];

export interface ArcFaceLossOptions extends FamilyOptions {
  /**
   * m in s psi(t + m), in radians, in [0, pi]. Default 0.5, the paper's. `sampleMargins` replaces it; they lie in
   * [-pi, pi].
   */
  margin?: number | undefined;
  /**
   * What happens past t = pi - m, where cos(t + m) would turn and rise. `continuous` (default): psi, which goes on
   * falling without a jump. `none`: cos(t + m) all the way, the paper's formula and insightface's. `hard`: cos t - m sin m
   * there, falling with a jump. `easy`: cos(t + m) for t < pi / 2, cos t beyond, with a jump between.
   */
  fallback?: Fallback | undefined;
}

/**
 * ArcFace: an additive margin on the angle, s psi(t + m). Where t + m passes pi, see `fallback`.
 *
 * The exact gradient carries the factor sin(t + m) / sin(t), large near t = 0; `gradient: 'detached'` drops it.
 *
 * Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Deng et al., ArcFace, CVPR 2019, eq. (3), with its s = 64 and m = 0.5.
 * @example
 * const loss = arcFaceLoss(x, w, y, { scale: 64, margin: 0.5 });
 */
export function arcFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: ArcFaceLossOptions = {},
): Tensor {
  return runLoss(arcFaceCall({ embeddings, weights, labels, options }));
}

/** What `arcFaceLoss` runs. */
export function arcFaceCall(call: LossCall<ArcFaceLossOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const m2 = checkNumber('margin', options.margin ?? 0.5, M2_RANGE);
  const fallback = checkChoice('fallback', options.fallback ?? 'continuous', FALLBACKS);
  const margins = { m1: 1, m2, m3: 0, sampleMarginTerm: 'm2' } as const;
  return familyCall(call, { margins, fallback });
}
