import {
  add,
  div,
  greater,
  logicalAnd,
  maximum,
  mul,
  relu,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from '@tensorflow/tfjs-core';
import { countOf, throughSquares } from './batch-pairs.js';
import { checkChoice, checkNumber, checkOptionNames, NONNEGATIVE_RANGE } from './check-options.js';
import { BATCH_OPTION_NAMES, type BatchLossOptions, runBatchLoss } from './run-batch-loss.js';
import type { Labels } from './types.js';

const NAMES: ReadonlySet<string> = new Set(['margin', 'positiveMargin', 'form', ...BATCH_OPTION_NAMES]);

export interface ContrastiveLossOptions extends BatchLossOptions {
  /** Pairs of different classes are pushed apart up to this distance; at least 0. Default 1. */
  margin?: number | undefined;
  /** Pairs of one class are pulled together down to this distance; at least 0. Default 0. */
  positiveMargin?: number | undefined;
  /** `squared` (default), the papers': half of each square. `linear`: pytorch-metric-learning's. */
  form?: 'squared' | 'linear' | undefined;
}

/**
 * Contrastive loss over all pairs of a batch: near if of one class, at least `margin` apart if not.
 *
 *   loss = 1/2 mean over pairs i < j of   [d_ij - positiveMargin]+^2   where y_i = y_j,
 *                                         [margin - d_ij]+^2           elsewhere;   d_ij = |x_i - x_j|
 *
 * The CosFace paper's row "softmax + contrastive" is the sum with `softmaxLoss`, as in DeepID2.
 *
 * @param embeddings - x, [N, D] float32; compared as unit vectors unless `normalize` is false, as in the papers.
 * @param labels - y, [N] int32 tensor or array; any numbers. Samples with `ignoreLabel` form no pair.
 * @param options - See `ContrastiveLossOptions`.
 * @returns A scalar, 0 without a pair. Differentiable, once, by embeddings. O(N^2) memory.
 * @throws {CosFaceError} As `cosFaceLoss`.
 *
 * Source: Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006, eq. (4); over a batch:
 * Sun et al., DeepID2, NIPS 2014, eq. (2).
 * @example
 * const loss = tf.add(softmaxLoss(x, w, y), tf.mul(0.05, contrastiveLoss(x, y)));
 */
export function contrastiveLoss(embeddings: Tensor, labels: Labels, options: ContrastiveLossOptions = {}): Tensor {
  checkOptionNames(options, NAMES);
  const margin = checkNumber('margin', options.margin ?? 1, NONNEGATIVE_RANGE);
  const positiveMargin = checkNumber('positiveMargin', options.positiveMargin ?? 0, NONNEGATIVE_RANGE);
  const squared = checkChoice('form', options.form ?? 'squared', ['squared', 'linear']) === 'squared';
  return runBatchLoss('contrastiveLoss', embeddings, labels, options, (pairs, { mean, withGradients }) => {
    const { squares, same, different } = pairs;
    const distances = sqrt(squares);
    const far = where(same, relu(sub(distances, positiveMargin)), 0);
    const near = where(different, relu(sub(margin, distances)), 0);
    const excess = add(far, near);
    // Each pair stands in the matrix twice.
    const number = mean ? maximum(add(countOf(same), countOf(different)), 1) : 2;
    const loss = div(sum(squared ? mul(0.5, square(excess)) : excess), number);
    if (!withGradients) return { loss };
    const one = where(greater(excess, 0), where(same, 1, -1), 0);
    const byDistance = squared ? sub(far, near) : one;
    // d distance / d square = 1 / (2 distance); rows that coincide have no direction to part in.
    const apart = logicalAnd(greater(squares, 0), greater(excess, 0));
    const bySquare = where(apart, div(byDistance, mul(2, where(apart, distances, 1))), 0);
    return { loss, dEmbeddings: throughSquares(div(bySquare, number), pairs) };
  });
}
