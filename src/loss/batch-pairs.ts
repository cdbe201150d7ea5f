import {
  add,
  all,
  cast,
  concat,
  equal,
  expandDims,
  isFinite as finite,
  logicalAnd,
  logicalNot,
  matMul,
  mul,
  notEqual,
  range,
  reshape,
  scalar,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { refuseNotFinite } from './check-values.js';
import { throughNormalisation, type UnitRows, unitRows } from './unit-rows.js';

/** Elements of one [block, N, D] or [block, N, N] array; 16 MiB. */
const BLOCK_ELEMENTS = 2 ** 22;

/** Some samples of a batch, [start, start + size). */
export interface Block {
  start: number;
  size: number;
}

/** The samples of a batch, at least one, against each other. */
export interface BatchPairs {
  /** The rows that are compared, [N, D]. */
  rows: Tensor;
  unit: UnitRows | undefined;
  /** |x_i - x_j|^2, [N, N]: from differences, because |a|^2 + |b|^2 - 2 <a, b> has no digits left for near rows. */
  squares: Tensor;
  /** Two samples of one class, [N, N] bool; false on the diagonal and where one is ignored. */
  same: Tensor;
  /** Two samples of different classes, [N, N] bool; false where one is ignored. */
  different: Tensor;
}

export function batchPairs(embeddings: Tensor, labels: Tensor, ignoreLabel: number, normalize: boolean): BatchPairs {
  if (!all(finite(embeddings)).dataSync()[0]) refuseNotFinite('embeddings', embeddings);
  const batch = embeddings.shape[0] as number;
  const unit = normalize ? unitRows(embeddings) : undefined;
  const rows = unit ? unit.rows : embeddings;
  const counted = notEqual(labels, scalar(ignoreLabel, 'int32'));
  const both = logicalAnd(reshape(counted, [batch, 1]), reshape(counted, [1, batch]));
  const alike = equal(reshape(labels, [batch, 1]), reshape(labels, [1, batch]));
  const places = range(0, batch, 1, 'int32');
  const itself = equal(reshape(places, [batch, 1]), reshape(places, [1, batch]));
  const squares = blocksOf(batch, rows.size).map(({ start, size }) =>
    tidy(() => {
      const block = expandDims(slice(rows, [start, 0], [size, -1]), 1);
      return sum(square(sub(block, expandDims(rows, 0))), 2);
    }),
  );
  return {
    ...{ rows, unit, squares: concat(squares, 0) },
    same: logicalAnd(logicalAnd(both, alike), logicalNot(itself)),
    different: logicalAnd(both, logicalNot(alike)),
  };
}

/** Cuts a batch such that a block with `elements` numbers for each sample stays within 16 MiB. */
export function blocksOf(batch: number, elements: number): Block[] {
  const most = Math.max(1, Math.floor(BLOCK_ELEMENTS / Math.max(1, elements)));
  const blocks: Block[] = [];
  for (let start = 0; start < batch; start += most) blocks.push({ start, size: Math.min(most, batch - start) });
  return blocks;
}

/** How many pairs a mask holds, as a number. */
export function countOf(mask: Tensor): Tensor {
  return sum(cast(mask, 'float32'));
}

/** The gradient by the embeddings from that by the squared distances, [N, N]; pairs (i, j) and (j, i) are apart. */
export function throughSquares(dSquares: Tensor, { rows, unit }: BatchPairs): Tensor {
  // d |x_i - x_j|^2 / d x_i = 2 (x_i - x_j), and each sample is on both sides.
  const both = mul(2, add(dSquares, transpose(dSquares)));
  const dRows = sub(mul(sum(both, 1, true), rows), matMul(both, rows));
  return unit ? throughNormalisation(dRows, unit) : dRows;
}
