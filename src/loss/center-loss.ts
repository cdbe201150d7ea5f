import {
  add,
  cast,
  div,
  expandDims,
  gather,
  maximum,
  minimum,
  mul,
  notEqual,
  ones,
  reshape,
  scalar,
  scatterND,
  square,
  squeeze,
  sub,
  sum,
  type Tensor,
  zeros,
  zerosLike,
} from '@tensorflow/tfjs-core';
import { differentiable, type ValueAndGradients } from '../kernels/differentiable.js';
import { checkTensors } from './check-arguments.js';
import { checkChoice, checkCommonOptions, checkOptionNames } from './check-options.js';
import { checkValues } from './check-values.js';
import type { Labels, LossOptions } from './types.js';

const NAMES: ReadonlySet<string> = new Set(['reduction', 'ignoreLabel', 'sampleWeights', 'centerGradient']);

export interface CenterLossOptions extends Pick<LossOptions, 'reduction' | 'ignoreLabel' | 'sampleWeights'> {
  /**
   * What goes back to the centres. `exact` (default): the gradient. `averaged`: the paper's step, which divides a
   * centre's pull by one more than the number of its samples in the batch, so that frequent classes move no faster.
   */
  centerGradient?: 'exact' | 'averaged' | undefined;
}

/**
 * Center loss: pulls each embedding to the centre of its class. A companion of `softmaxLoss`, alone it collapses.
 *
 *   loss_i = 1/2 |x_i - c_y|^2
 *
 * @param embeddings - x, [N, D] float32; not normalised.
 * @param centers - c, [C, D] float32, one row per class.
 * @param labels - y, [N] int32 tensor or array, each in [0, C) or `ignoreLabel`.
 * @param options - `reduction` ('mean'; the paper sums), `ignoreLabel`, `sampleWeights` as in `cosFaceLoss`, and
 * `centerGradient`. With `averaged`, sum_i w_i (c_j - x_i) / (1 + n_j) goes back to centre j, times what comes from above,
 * whatever the reduction: a learning rate of alpha is the paper's alpha. Reduction `none` sums the factors from above.
 * @returns A scalar, or [N] with reduction `none`. Differentiable, once, by embeddings, centers and sample weights.
 * @throws {CosFaceError} As `marginSoftmax`.
 *
 * Source: Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition, ECCV 2016, eq. (2) to (4);
 * its lambda is 0.003.
 * @example
 * const loss = tf.add(softmaxLoss(x, w, y), tf.mul(0.003, centerLoss(x, centers, y)));
 */
export function centerLoss(
  embeddings: Tensor,
  centers: Tensor,
  labels: Labels,
  options: CenterLossOptions = {},
): Tensor {
  checkOptionNames(options, NAMES);
  const { reduction, ignoreLabel } = checkCommonOptions(options);
  const averaged =
    checkChoice('centerGradient', options.centerGradient ?? 'exact', ['exact', 'averaged']) === 'averaged';
  const { tensors, made } = checkTensors(embeddings, centers, labels, options);
  try {
    return differentiable({
      label: 'centerLoss',
      tensors,
      inputs: Object.keys(tensors).filter((name) => name !== 'labels'),
      reduced: reduction !== 'none',
      compute: (given, withGradients, lossGradient) =>
        pull(given, { reduction, ignoreLabel, averaged, withGradients, lossGradient }),
    });
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

interface Pull {
  reduction: 'mean' | 'sum' | 'none';
  ignoreLabel: number;
  averaged: boolean;
  withGradients: boolean;
  lossGradient: Tensor | undefined;
}

type Tensors = ReturnType<typeof checkTensors>['tensors'];

function pull(
  tensors: Tensors,
  { reduction, ignoreLabel, averaged, withGradients, lossGradient }: Pull,
): ValueAndGradients {
  const { embeddings, weights: centers, labels, sampleWeights } = tensors;
  if (labels.size === 0) {
    const { labels: _, ...inputs } = tensors;
    const gradients = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, zerosLike(tensor)]));
    return { loss: zeros(reduction === 'none' ? [0] : []), gradients };
  }
  const [batch, classes] = [embeddings.shape[0] as number, centers.shape[0] as number];
  const floats = { embeddings, centers, ...(sampleWeights && { sampleWeights }) };
  checkValues({ floats, labels, ignoreLabel, classes, weights: centers, margins: [] });
  const counted = reshape(cast(notEqual(labels, scalar(ignoreLabel, 'int32')), 'float32'), [batch, 1]);
  const weight = sampleWeights ? mul(counted, reshape(sampleWeights, [batch, 1])) : counted;
  const own = maximum(minimum(labels, scalar(classes - 1, 'int32')), scalar(0, 'int32'));
  const away = sub(embeddings, gather(centers, own));
  const squares = mul(0.5, sum(square(away), 1, true));
  const number = reduction === 'mean' ? maximum(sum(cast(notEqual(weight, 0), 'float32')), 1) : 1;
  const losses = mul(weight, squares);
  const loss = reduction === 'none' ? squeeze(losses, [1]) : div(sum(losses), number);
  if (!withGradients) return { loss, gradients: {} };
  const given = lossGradient ? reshape(lossGradient, [batch, 1]) : ones([batch, 1]);
  const share = div(given, number);
  const perClass = (rows: Tensor) => scatterND(expandDims(own, 1), rows, [classes, rows.shape[1] as number]) as Tensor;
  const toCenters = mul(mul(weight, averaged ? given : share), mul(-1, away));
  const members = averaged ? add(1, perClass(counted)) : 1;
  return {
    loss,
    gradients: {
      embeddings: mul(mul(weight, share), away),
      weights: div(perClass(toCenters), members),
      ...(sampleWeights && { sampleWeights: squeeze(mul(mul(counted, squares), share), [1]) }),
    },
  };
}
