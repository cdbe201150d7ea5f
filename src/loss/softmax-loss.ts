import type { Tensor } from '@tensorflow/tfjs-core';
import { checkNumber, checkOptionNames, SHARE_RANGE } from './check-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions } from './types.js';

const NAMES: ReadonlySet<string> = new Set([
  ...['bias', 'labelSmoothing', 'scale', 'reduction', 'ignoreLabel', 'sampleWeights', 'precision', 'gradientTolerance'],
]);

export interface SoftmaxLossOptions extends Omit<LossOptions, 'sampleMargins' | 'gradient'> {
  /** b, [C] float32; differentiable. Default: none. */
  bias?: Tensor | undefined;
  /** Factor on the products, an inverse temperature. Default 1. */
  scale?: number | undefined;
  /** Part of each target that is spread evenly over all classes, in [0, 1). Default 0. */
  labelSmoothing?: number | undefined;
}

/**
 * Softmax cross-entropy behind a linear layer, in one: the logits, [N, C], never exist as a whole.
 *
 *   z_ic = scale <x_i, w_c> + b_c,   loss_i = -log softmax(z_i)[y_i]
 *
 * With label smoothing e the loss is (1 - e) times that plus e times the mean of -log softmax(z_i)[c] over all classes.
 * Confident samples keep their digits: the other classes are summed apart from the target.
 *
 * @param embeddings - x, [N, D] float32.
 * @param weights - w, [C, D] float32, one row per class; the transpose of a dense layer's kernel.
 * @param labels - y, [N] int32 tensor or array, each in [0, C) or `ignoreLabel`.
 * @param options - See `SoftmaxLossOptions`; `scale` is 1, the rest as in `cosFaceLoss`.
 * @returns A scalar, or [N] with reduction `none`; float32, in nats. Differentiable, once, by embeddings, weights, bias
 * and sample weights.
 * @throws {CosFaceError} As `marginSoftmax`.
 *
 * Source: the softmax loss of Wang et al., CosFace, CVPR 2018, eq. (1); label smoothing: Szegedy et al., CVPR 2016,
 * section 7.
 * @example
 * const loss = softmaxLoss(x, w, y, { bias: tf.zeros([numClasses]), labelSmoothing: 0.1 });
 */
export function softmaxLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: SoftmaxLossOptions = {},
): Tensor {
  return runLoss(softmaxCall({ embeddings, weights, labels, options }));
}

/** What `softmaxLoss` runs. */
export function softmaxCall(call: LossCall<SoftmaxLossOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const labelSmoothing = checkNumber('labelSmoothing', options.labelSmoothing ?? 0, SHARE_RANGE);
  const { bias } = options;
  return {
    ...{ ...call, bias },
    margins: { m1: 1, m2: 0, m3: 0, sampleMarginTerm: 'm3' },
    family: { labelSmoothing, normalizeEmbeddings: false, normalizeWeights: false },
    defaultScale: 1,
  };
}
