import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, M3_RANGE } from './check-options.js';
import { familyCall } from './family-call.js';
import { familyOptionNames } from './family-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { FamilyOptions, Labels } from './types.js';

const NAMES = familyOptionNames('margin');

export interface CosFaceLossOptions extends FamilyOptions {
  /** m in s (cos(t) - m), in [0, 2]. Default 0.35, the paper's. `sampleMargins` replaces it; they lie in [-2, 2]. */
  margin?: number | undefined;
}

/**
 * CosFace: the large margin cosine loss (LMCL).
 *
 *   loss_i = -log( e^{s (cos_iy - m)} / (e^{s (cos_iy - m)} + sum_{c != y} e^{s cos_ic}) )
 *
 * @param embeddings - x, [N, D] float32; rows need not be normalised. A zero row has cosine 0 and gradient 0.
 * @param weights - w, [C, D] float32, one row per class.
 * @param labels - y, [N] int32 tensor or array, each in [0, C) or `ignoreLabel`.
 * @param options - `scale` (64), `margin` (0.35), `reduction` ('mean'), `ignoreLabel` (-1), `sampleWeights`,
 * `sampleMargins`, `gradient`, `precision` ('fp32'), `gradientTolerance` (0) and `FamilyOptions`, among them
 * `normalizeEmbeddings: false`, the paper's CosFace without feature normalisation; see `CosFaceLossOptions`.
 * @returns A scalar, or [N] with reduction `none`; float32, in nats. Differentiable, once, by embeddings, weights,
 * bias, sample weights and sample margins.
 * @throws {CosFaceError} As `marginSoftmax`.
 *
 * Source: Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, CVPR 2018, eq. (4).
 * @example
 * const { value, grads } = tf.valueAndGrads((x, w) => cosFaceLoss(x, w, y, { scale: 64, margin: 0.35 }))([x, w]);
 */
export function cosFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: CosFaceLossOptions = {},
): Tensor {
  return runLoss(cosFaceCall({ embeddings, weights, labels, options }));
}

/** What `cosFaceLoss` runs. */
export function cosFaceCall(call: LossCall<CosFaceLossOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const m3 = checkNumber('margin', options.margin ?? 0.35, M3_RANGE);
  const margins = { m1: 1, m2: 0, m3, sampleMarginTerm: 'm3' } as const;
  return familyCall(call, { margins });
}
