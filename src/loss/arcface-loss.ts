import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, M2_RANGE, optionNames } from './check-options.js';
import { runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin');

export interface ArcFaceLossOptions extends LossOptions {
  /**
   * m in s psi(t + m), in radians, in [0, pi]. Default 0.5, the paper's. `sampleMargins` replaces it; they lie in
   * [-pi, pi].
   */
  margin?: number | undefined;
}

/**
 * ArcFace: an additive margin on the angle. Past t = pi - m, where cos(t + m) would turn and rise, psi goes on falling
 * without a jump.
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
  checkOptionNames(options, NAMES);
  const m2 = checkNumber('margin', options.margin ?? 0.5, M2_RANGE);
  return runLoss({ embeddings, weights, labels, options, margins: { m1: 1, m2, m3: 0, sampleMarginTerm: 'm2' } });
}
