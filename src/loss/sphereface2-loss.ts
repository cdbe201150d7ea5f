import { scalar, type Tensor } from '@tensorflow/tfjs-core';
import {
  COUNT_RANGE,
  checkNumber,
  checkOptionNames,
  FINITE_RANGE,
  M3_RANGE,
  optionNames,
  POSITIVE_RANGE,
  type Range,
  SCALE_RANGE,
} from './check-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions } from './types.js';

const NAMES = optionNames('margin', 'exponent', 'balance', 'lossWeight', 'bias');
const BALANCE_RANGE: Range = { holds: (v) => v > 0 && v < 1, text: 'a number in (0, 1)' };
const EXPONENT_RANGE: Range = { holds: (v) => v >= 1 && v <= 16, text: 'a number in [1, 16]' };

interface SphereFace2Shape {
  /** r, above 0. Default 40. */
  scale?: number | undefined;
  /** m, in [0, 2]. Default 0.4. `sampleMargins` replaces it for the positive part; the negative part keeps it. */
  margin?: number | undefined;
  /** t in g(z) = 2 ((z + 1) / 2)^t - 1, in [1, 16]. Default 3. */
  exponent?: number | undefined;
  /** lambda, the share of the positive part, in (0, 1). Default 0.7. */
  balance?: number | undefined;
}

export interface SphereFace2LossOptions extends LossOptions, SphereFace2Shape {
  /** A factor on the loss, above 0. Default 1, as in the paper; OpenSphere's code has 50. */
  lossWeight?: number | undefined;
  /** b: a number, or a scalar tensor that is learned with the rest. Default `sphereFace2Bias`. */
  bias?: number | Tensor | undefined;
}

/**
 * SphereFace2: one binary cross-entropy for each class instead of a softmax over all.
 *
 *   loss_i = lambda / r softplus(-(r (g(cos_iy) - m) + b)) + (1 - lambda) / r sum_{c != y} softplus(r (g(cos_ic) + m) + b)
 *
 * Arguments, result and errors as `cosFaceLoss`. `gradient: 'detached'` sets g' = 1, as OpenSphere's code does.
 *
 * Source: Wen et al., SphereFace2, ICLR 2022, eq. (8) with the additive margin (C) and its defaults.
 * @example
 * const bias = tf.variable(tf.scalar(sphereFace2Bias({ numClasses })));
 * const loss = sphereFace2Loss(x, w, y, { bias });
 */
export function sphereFace2Loss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: SphereFace2LossOptions = {},
): Tensor {
  return withBias(sphereFace2Call({ embeddings, weights, labels, options }));
}

/** What `sphereFace2Loss` runs. */
export function sphereFace2Call(call: LossCall<SphereFace2LossOptions>): BinaryCall {
  const { options, weights } = call;
  checkOptionNames(options, NAMES);
  const { scale, margin, exponent, balance } = checkShape(options);
  const factor = checkNumber('lossWeight', options.lossWeight ?? 1, POSITIVE_RANGE) / scale;
  // From JavaScript weights may be anything; its own check comes later.
  const numClasses = Math.max(1, weights?.shape?.[0] ?? 1);
  return {
    ...{ ...call, defaultScale: 40 },
    bias: options.bias ?? sphereFace2Bias({ numClasses, scale, margin, exponent, balance }),
    margins: { m1: 1, m2: 0, m3: margin, sampleMarginTerm: 'm3' },
    family: {
      curve: { kind: 'power', exponent },
      binary: {
        positiveWeight: balance * factor,
        negativeWeight: (1 - balance) * factor,
        negativeMargin: margin,
        biasSign: 1,
      },
    },
  };
}

/** A call of a binary loss, whose bias is a number or a scalar tensor. */
export type BinaryCall = Omit<MarginSoftmaxCallArguments, 'bias'> & { bias: number | Tensor };

/** Runs a binary loss. */
export function withBias({ bias, ...call }: BinaryCall): Tensor {
  if (typeof bias !== 'number') return runLoss({ ...call, bias });
  const tensor = scalar(checkNumber('bias', bias, FINITE_RANGE));
  try {
    return runLoss({ ...call, bias: tensor });
  } finally {
    tensor.dispose();
  }
}

/** What `sphereFace2Bias` is asked for. */
export interface SphereFace2BiasQuery extends SphereFace2Shape {
  /** C, at least 1. */
  numClasses: number;
}

/**
 * The bias with which SphereFace2 starts: where all cosines are 0 it makes the derivatives of the positive part and of
 * all negative parts by b equal, so that neither runs away.
 *
 * @returns b; 0 for one class.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value out of range or missing.
 *
 * Source: Wen et al., SphereFace2, ICLR 2022, appendix; as OpenSphere initialises it.
 * @example const b = sphereFace2Bias({ numClasses: 10575 });
 */
export function sphereFace2Bias(query: SphereFace2BiasQuery): number {
  const numClasses = checkNumber('numClasses', query?.numClasses, COUNT_RANGE);
  const { scale, margin, exponent, balance } = checkShape(query);
  if (numClasses === 1) return 0;
  const atZero = 2 * 0.5 ** exponent - 1;
  const [positive, negative] = [scale * (atZero - margin), scale * (atZero + margin)];
  // lambda / (1 + e^(p + b)) = (1 - lambda) (C - 1) / (1 + e^-(n + b)): a quadratic in e^b, solved without cancelling.
  const z = balance / ((1 - balance) * (numClasses - 1));
  const root = Math.sqrt((1 - z) ** 2 + 4 * z * Math.exp(positive - negative));
  const difference = z < 1 ? 1 - z + root : (4 * z * Math.exp(positive - negative)) / (root - (1 - z));
  return Math.log(2 * z) - negative - Math.log(difference);
}

function checkShape(options: SphereFace2Shape): Required<{ [K in keyof SphereFace2Shape]: number }> {
  return {
    scale: checkNumber('scale', options.scale ?? 40, SCALE_RANGE),
    margin: checkNumber('margin', options.margin ?? 0.4, M3_RANGE),
    exponent: checkNumber('exponent', options.exponent ?? 3, EXPONENT_RANGE),
    balance: checkNumber('balance', options.balance ?? 0.7, BALANCE_RANGE),
  };
}
