import {
  add,
  cast,
  clipByValue,
  clone,
  customGrad,
  div,
  isFinite as finite,
  greaterEqual,
  lessEqual,
  logicalAnd,
  maximum,
  mul,
  notEqual,
  ones,
  reshape,
  scalar,
  square,
  squeeze,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { differentiable } from '../kernels/differentiable.js';
import { withTapeUnwound } from '../kernels/not-differentiable.js';
import { checkTensors } from './check-arguments.js';
import {
  type CheckedOptions,
  checkCommonOptions,
  checkNumber,
  checkOptionNames,
  M2_RANGE,
  NONNEGATIVE_RANGE,
  optionNames,
  outOfRange,
  POSITIVE_RANGE,
} from './check-options.js';
import { runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions } from './types.js';
import { rowNorms, unitRows } from './unit-rows.js';

const NAMES = new Set(
  [...optionNames('leastNorm', 'largestNorm', 'leastMargin', 'largestMargin', 'regularizer')].filter(
    (name) => name !== 'sampleMargins',
  ),
);

export interface MagFaceLossOptions extends Omit<LossOptions, 'sampleMargins'> {
  /** l_a: norms below count as this. Default 10. */
  leastNorm?: number | undefined;
  /** u_a: norms above count as this. Default 110. */
  largestNorm?: number | undefined;
  /** l_m, the margin at l_a, in radians in [0, pi]. Default 0.45. */
  leastMargin?: number | undefined;
  /** u_m, the margin at u_a, in radians in [0, pi]. Default 0.8. */
  largestMargin?: number | undefined;
  /** lambda_g, at least 0. Default 35. */
  regularizer?: number | undefined;
}

interface NormRange {
  least: number;
  largest: number;
}

/**
 * MagFace: an angular margin that grows with the feature norm, and a regulariser that rewards long features, so that the
 * norm becomes a measure of quality.
 *
 *   a_i  = |x_i| within [l_a, u_a],   m(a) = l_m + (u_m - l_m) (a - l_a) / (u_a - l_a)
 *   loss_i = -log softmax with z_iy = s psi(t + m(a_i))   +   lambda_g (1 / a_i + a_i / u_a^2)
 *
 * The gradient by x has a part along x, through m and the regulariser; outside [l_a, u_a] that part is 0. Past
 * t = pi - m psi goes on falling; the authors' code has easy margin. Sample weights weigh both terms.
 *
 * Arguments, result and errors as `cosFaceLoss`; `sampleMargins` are what this loss makes.
 *
 * Source: Meng et al., MagFace, CVPR 2021, eq. (2) and (3); defaults: its section 4.1 and the authors' training script.
 * @example
 * const loss = magFaceLoss(x, w, y, { regularizer: 35 });
 */
export function magFaceLoss(
  embeddings: Tensor,
  weights: Tensor,
  labels: Labels,
  options: MagFaceLossOptions = {},
): Tensor {
  checkOptionNames(options, NAMES);
  const common = checkCommonOptions(options);
  const range = checkRange(options);
  const leastMargin = checkNumber('leastMargin', options.leastMargin ?? 0.45, M2_RANGE);
  const largestMargin = checkNumber('largestMargin', options.largestMargin ?? 0.8, M2_RANGE);
  const regularizer = checkNumber('regularizer', options.regularizer ?? 35, NONNEGATIVE_RANGE);
  const { tensors, made } = checkTensors(embeddings, weights, labels, options);
  try {
    return withTapeUnwound(() => {
      if (tensors.labels.size === 0) {
        const plain = { m1: 1, m2: 0, m3: 0, sampleMarginTerm: 'm2' } as const;
        return runLoss({ embeddings, weights, labels: tensors.labels, options, margins: plain });
      }
      const rise = (largestMargin - leastMargin) / (range.largest - range.least);
      const margins = normMargins(
        embeddings,
        range,
        (norm) => add(leastMargin, mul(rise, sub(norm, range.least))),
        rise,
      );
      made.push(margins);
      const { sampleWeights } = tensors;
      const perSample = { ...(sampleWeights && { sampleWeights }), sampleMargins: { m2: margins } };
      const loss = runLoss({
        ...{ embeddings, weights, labels: tensors.labels, options: { ...options, ...perSample } },
        margins: { m1: 1, m2: 0, m3: 0, sampleMarginTerm: 'm2' },
      });
      if (regularizer === 0) return loss;
      const inputs = { embeddings, labels: tensors.labels, ...(sampleWeights && { sampleWeights }) };
      const penalty = normPenalty(inputs, range, regularizer, common);
      made.push(loss, penalty);
      return customGrad(() => ({ value: add(loss, penalty), gradFunc: (dy: Tensor) => [clone(dy), clone(dy)] }))(
        loss,
        penalty,
      );
    });
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

function checkRange(options: MagFaceLossOptions): NormRange {
  const least = checkNumber('leastNorm', options.leastNorm ?? 10, POSITIVE_RANGE);
  const largest = checkNumber('largestNorm', options.largestNorm ?? 110, POSITIVE_RANGE);
  if (largest <= least) throw outOfRange('largestNorm', largest, `a number above leastNorm, which is ${least}`);
  return { least, largest };
}

/** Norms within the range, and x / |x| where they are inside it, 0 where they were clipped. */
function clippedNorms(embeddings: Tensor, { least, largest }: NormRange): { norm: Tensor; direction: Tensor } {
  const lengths = rowNorms(embeddings);
  // The loss refuses embeddings that are not finite, and names them; their margins must not get in the way.
  const norm = where(finite(lengths), lengths, least);
  const inside = cast(logicalAnd(greaterEqual(norm, least), lessEqual(norm, largest)), 'float32');
  return { norm: clipByValue(norm, least, largest), direction: mul(unitRows(embeddings).rows, inside) };
}

/** margin(a_i), [N], differentiable by the embeddings. */
function normMargins(embeddings: Tensor, range: NormRange, margin: (norm: Tensor) => Tensor, rise: number): Tensor {
  return differentiable({
    label: 'the margins of magFaceLoss',
    tensors: { embeddings },
    inputs: ['embeddings'],
    reduced: false,
    compute: (tensors, withGradients, lossGradient) => {
      const { norm, direction } = clippedNorms(tensors.embeddings, range);
      const given = lossGradient ? reshape(lossGradient, [-1, 1]) : 1;
      return {
        loss: squeeze(margin(norm), [1]),
        gradients: withGradients ? { embeddings: mul(mul(given, rise), direction) } : {},
      };
    },
  });
}

interface PenaltyTensors {
  embeddings: Tensor;
  labels: Tensor;
  sampleWeights?: Tensor;
}

/** lambda_g (1 / a + a / u_a^2), reduced as the loss is. */
function normPenalty(
  tensors: PenaltyTensors,
  range: NormRange,
  factor: number,
  { reduction, ignoreLabel }: CheckedOptions,
): Tensor {
  return differentiable({
    label: 'the regulariser of magFaceLoss',
    tensors: tensors as PenaltyTensors & Record<string, Tensor>,
    inputs: tensors.sampleWeights ? ['embeddings', 'sampleWeights'] : ['embeddings'],
    reduced: reduction !== 'none',
    compute: ({ embeddings, labels, sampleWeights }, withGradients, lossGradient) => {
      if (labels.size === 0)
        return {
          loss: zeros(reduction === 'none' ? [0] : []),
          gradients: {
            embeddings: zerosLike(embeddings),
            ...(sampleWeights && { sampleWeights: zerosLike(sampleWeights) }),
          },
        };
      const { norm, direction } = clippedNorms(embeddings, range);
      const column = (tensor: Tensor) => reshape(tensor, [-1, 1]);
      const counted = cast(notEqual(column(labels), scalar(ignoreLabel, 'int32')), 'float32');
      const weight = sampleWeights ? mul(counted, column(sampleWeights)) : counted;
      const number = reduction === 'mean' ? maximum(sum(cast(notEqual(weight, 0), 'float32')), 1) : 1;
      const share = div(lossGradient ? column(lossGradient) : ones(norm.shape as [number, number]), number);
      const penalty = mul(factor, add(div(1, norm), div(norm, range.largest ** 2)));
      const slope = mul(factor, sub(1 / range.largest ** 2, div(1, square(norm))));
      const weighted = mul(weight, penalty);
      return {
        loss: reduction === 'none' ? squeeze(weighted, [1]) : div(sum(weighted), number),
        gradients: withGradients
          ? {
              embeddings: mul(mul(mul(weight, share), slope), direction),
              ...(sampleWeights && { sampleWeights: squeeze(mul(mul(counted, penalty), share), [1]) }),
            }
          : {},
      };
    },
  });
}
