import {
  add,
  cast,
  concat,
  div,
  equal,
  expandDims,
  getBackend,
  greater,
  logicalAnd,
  max,
  maximum,
  min,
  relu,
  slice,
  sub,
  sum,
  type Tensor,
  tidy,
  where,
  zeros,
} from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';
import { type BatchPairs, type Block, blocksOf, throughSquares } from './batch-pairs.js';
import { checkChoice, checkNumber, checkOptionNames, NONNEGATIVE_RANGE } from './check-options.js';
import { BATCH_OPTION_NAMES, type BatchLossOptions, runBatchLoss } from './run-batch-loss.js';
import type { Labels } from './types.js';

const NAMES: ReadonlySet<string> = new Set(['margin', 'mining', ...BATCH_OPTION_NAMES]);
/** Farther than any pair, and a float32. */
const NOWHERE = 3e38;
const MININGS = ['semi-hard', 'all', 'hard'] as const;

export interface TripletLossOptions extends BatchLossOptions {
  /** alpha, in squared distance, at least 0. Default 0.2, FaceNet's. */
  margin?: number | undefined;
  /**
   * `semi-hard` (default): triplets whose negative is farther than the positive, but by less than the margin. `all`: every
   * triplet that violates the margin. `hard`: of each anchor its farthest positive and its nearest negative.
   */
  mining?: (typeof MININGS)[number] | undefined;
}

/**
 * Triplet loss with mining inside the batch.
 *
 *   loss = mean over chosen (a, p, n) of   [|x_a - x_p|^2 - |x_a - x_n|^2 + margin]+
 *
 * The mean is over the triplets with a loss above 0. The choice is a constant in the gradient.
 *
 * @param embeddings - x, [N, D] float32; compared as unit vectors unless `normalize` is false.
 * @param labels - y, [N] int32 tensor or array; any numbers. Samples with `ignoreLabel` form no triplet.
 * @param options - See `TripletLossOptions`.
 * @returns A scalar, 0 without a triplet. Differentiable, once, by embeddings. N^3 comparisons, O(N^2) memory.
 * @throws {CosFaceError} As `cosFaceLoss`; COSFACE_UNSUPPORTED on the webgpu backend unless `mining` is `hard`.
 *
 * Source: Schroff et al., FaceNet, CVPR 2015, eq. (3) and (4); `hard`: Hermans et al., In Defense of the Triplet Loss,
 * 2017, eq. (5). FaceNet takes one semi-hard negative for each positive pair and does not say which; this takes all.
 * @example
 * const loss = tripletLoss(x, y, { margin: 0.2, mining: 'semi-hard' });
 */
export function tripletLoss(embeddings: Tensor, labels: Labels, options: TripletLossOptions = {}): Tensor {
  checkOptionNames(options, NAMES);
  const margin = checkNumber('margin', options.margin ?? 0.2, NONNEGATIVE_RANGE);
  const mining = checkChoice('mining', options.mining ?? 'semi-hard', MININGS);
  if (mining !== 'hard' && getBackend() === 'webgpu') throw wrongOnWebGpu(mining);
  return runBatchLoss('tripletLoss', embeddings, labels, options, (pairs, { mean, withGradients }) => {
    const batch = pairs.rows.shape[0] as number;
    const tally = (block: Block) =>
      tidy(() => (mining === 'hard' ? hardest(pairs, block, margin) : among(pairs, block, margin, mining)));
    const parts = blocksOf(batch, batch * batch).map(tally);
    const total = (name: 'total' | 'number') => parts.map((part) => part[name]).reduce((a, b) => add(a, b), zeros([]));
    const number = mean ? maximum(total('number'), 1) : 1;
    const loss = div(total('total'), number);
    if (!withGradients) return { loss };
    const dSquares = concat(parts.map(({ dSquares }) => dSquares) as [Tensor], 0);
    return { loss, dEmbeddings: throughSquares(div(dSquares, number), pairs) };
  });
}

/** Seen in Chromium 156 with tfjs-backend-webgpu 4.22: its buffers are overwritten while they are in use. */
function wrongOnWebGpu(mining: string): CosFaceError {
  return new CosFaceError(
    'COSFACE_UNSUPPORTED',
    `mining is '${mining}' on the backend 'webgpu', where this loss comes out wrong. Use mining 'hard', or another ` +
      "backend: tf.setBackend('webgl').",
    { argument: 'mining' },
  );
}

/** The triplets of some anchors: sum and number of their losses, and the gradient of the sum by the squares. */
interface Tally extends Record<string, Tensor> {
  total: Tensor;
  number: Tensor;
  /** [size, N]. */
  dSquares: Tensor;
}

function rowsOf({ squares, same, different }: BatchPairs, { start, size }: Block) {
  const part = (matrix: Tensor) => slice(matrix, [start, 0], [size, -1]);
  return { squares: part(squares), same: part(same), different: part(different) };
}

function among(pairs: BatchPairs, block: Block, margin: number, mining: 'semi-hard' | 'all'): Tally {
  const { squares, same, different } = rowsOf(pairs, block);
  const [positive, negative] = [expandDims(squares, 2), expandDims(squares, 1)];
  const violation = add(sub(positive, negative), margin);
  const triplet = logicalAnd(expandDims(same, 2), expandDims(different, 1));
  const violating = logicalAnd(triplet, greater(violation, 0));
  const chosen = mining === 'all' ? violating : logicalAnd(violating, greater(negative, positive));
  const active = cast(chosen, 'float32');
  return {
    total: sum(where(chosen, violation, 0)),
    number: sum(active),
    dSquares: sub(sum(active, 2), sum(active, 1)),
  };
}

function hardest(pairs: BatchPairs, block: Block, margin: number): Tally {
  const { squares, same, different } = rowsOf(pairs, block);
  const farthest = max(where(same, squares, -1), 1, true);
  const nearest = min(where(different, squares, NOWHERE), 1, true);
  const violation = relu(add(sub(farthest, nearest), margin));
  const active = cast(logicalAnd(greater(violation, 0), greater(farthest, -1)), 'float32');
  const share = (mask: Tensor, value: Tensor) => {
    const hit = cast(logicalAnd(mask, equal(squares, value)), 'float32');
    return div(hit, maximum(sum(hit, 1, true), 1));
  };
  const chosen = sub(share(same, farthest), share(different, nearest));
  return {
    total: sum(where(greater(active, 0), violation, 0)),
    number: sum(active),
    dSquares: where(greater(active, 0), chosen, 0),
  };
}
