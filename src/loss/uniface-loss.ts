import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, M3_RANGE, optionNames, POSITIVE_RANGE } from './check-options.js';
import type { LossCall } from './run-margin-softmax.js';
import { type BinaryCall, withBias } from './sphereface2-loss.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin', 'negativeWeight', 'bias');

export interface UniFaceLossOptions extends LossOptions {
  /** m, in [0, 2]. Default 0.4. `sampleMargins` replaces it. */
  margin?: number | undefined;
  /** l, the weight of the negatives, above 0. Default 1. */
  negativeWeight?: number | undefined;
  /** b: a number, or a scalar tensor that is learned with the rest. Default ln(10 C), with which the authors start. */
  bias?: number | Tensor | undefined;
}

/**
 * UniFace: binary cross-entropies with one threshold for all classes, b / s in cosine units.
 *
 *   loss_i = softplus(-(s (cos_iy - m) - b)) + l sum_{c != y} softplus(s cos_ic - b)
 *
 * Arguments, result and errors as `cosFaceLoss`.
 *
 * Source: Zhou et al., UniFace: Unified Cross-Entropy Loss for Deep Face Recognition, ICCV 2023, with its s = 64 and
 * m = 0.4. The authors' code also clips the logits to [-s, s], which stops gradients there; this does not.
 * @example
 * const bias = tf.variable(tf.scalar(Math.log(10 * numClasses)));
 * const loss = uniFaceLoss(x, w, y, { bias });
 */
export function uniFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: UniFaceLossOptions = {},
): Tensor {
  return withBias(uniFaceCall({ embeddings, weights, labels, options }));
}

/** What `uniFaceLoss` runs. */
export function uniFaceCall(call: LossCall<UniFaceLossOptions>): BinaryCall {
  const { options, weights } = call;
  checkOptionNames(options, NAMES);
  const m3 = checkNumber('margin', options.margin ?? 0.4, M3_RANGE);
  const negativeWeight = checkNumber('negativeWeight', options.negativeWeight ?? 1, POSITIVE_RANGE);
  return {
    ...call,
    bias: options.bias ?? Math.log(10 * Math.max(1, weights?.shape?.[0] ?? 1)),
    margins: { m1: 1, m2: 0, m3, sampleMarginTerm: 'm3' },
    family: { binary: { positiveWeight: 1, negativeWeight, negativeMargin: 0, biasSign: -1 } },
  };
}
