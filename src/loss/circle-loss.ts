import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, M3_RANGE, optionNames } from './check-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin');

export interface CircleLossOptions extends LossOptions {
  /** gamma, above 0. Default 256, the paper's for faces. */
  scale?: number | undefined;
  /** m, in [0, 2]. Default 0.25, the paper's for faces. `sampleMargins` replaces it; the others use `margin`. */
  margin?: number | undefined;
  /** `detached` (default): the paces [ ]+ are constants in the gradient, as the paper derives it. `exact`: they are not. */
  gradient?: LossOptions['gradient'];
}

/**
 * Circle loss with class centres: each similarity is driven at its own pace.
 *
 *   z_iy = gamma [1 + m - cos_iy]+ (cos_iy - (1 - m)),   z_ic = gamma [cos_ic + m]+ (cos_ic - m)
 *   loss_i = -log softmax(z_i)[y_i]
 *
 * Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Sun et al., Circle Loss, CVPR 2020, eq. (4) to (8) with class-level labels: one positive, the own centre.
 * @example
 * const loss = circleLoss(x, w, y, { scale: 256, margin: 0.25 });
 */
export function circleLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: CircleLossOptions = {},
): Tensor {
  return runLoss(circleCall({ embeddings, weights, labels, options }));
}

/** What `circleLoss` runs. */
export function circleCall(call: LossCall<CircleLossOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const m3 = checkNumber('margin', options.margin ?? 0.25, M3_RANGE);
  return {
    ...{ ...call, defaultScale: 256 },
    options: { ...options, gradient: options.gradient ?? 'detached' },
    margins: { m1: 1, m2: 0, m3, sampleMarginTerm: 'm3' },
    family: { curve: { kind: 'circle' } },
  };
}
