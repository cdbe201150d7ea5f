import {
  abs,
  div,
  greater,
  greaterEqual,
  logicalAnd,
  max,
  mul,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
} from '@tensorflow/tfjs-core';

/** A row shorter than this is taken as the zero vector; COSFACE_ZERO_NORM of native/include/cosface/margin_softmax.h. */
const ZERO_NORM = 1e-12;

export interface UnitRows {
  /** The rows divided by their norms, [R, D]; zero rows stay zero. */
  rows: Tensor;
  /** 1 / norm, [R, 1]; 0 for zero rows. */
  inverseNorm: Tensor;
}

/**
 * Normalises the rows of a matrix. Each is first divided by its largest element, so that squares neither overflow
 * (float32 ends at 3.4e38) nor vanish.
 */
export function unitRows(matrix: Tensor): UnitRows {
  const largest = max(abs(matrix), 1, true);
  const scaled = div(matrix, where(greater(largest, 0), largest, 1));
  // In [1, sqrt(D)] for every row but a zero one.
  const norm = sqrt(sum(square(scaled), 1, true));
  const alive = logicalAnd(greater(norm, 0), greaterEqual(mul(norm, largest), ZERO_NORM));
  const divisor = where(alive, norm, 1);
  return {
    rows: where(alive, div(scaled, divisor), 0),
    inverseNorm: where(alive, div(div(1, divisor), where(alive, largest, 1)), 0),
  };
}

/** The gradient by the rows from the gradient by the unit rows: (g - (g . u) u) / norm. */
export function throughNormalisation(gradient: Tensor, { rows, inverseNorm }: UnitRows): Tensor {
  const along = sum(mul(gradient, rows), 1, true);
  return mul(sub(gradient, mul(along, rows)), inverseNorm);
}

/** The norms of the rows, [R, 1]; as safe from overflow as `unitRows`. */
export function rowNorms(matrix: Tensor): Tensor {
  // Of no rows, which tfjs-node's Select does not take.
  if (matrix.shape[0] === 0) return zeros([0, 1]);
  const largest = max(abs(matrix), 1, true);
  const scaled = div(matrix, where(greater(largest, 0), largest, 1));
  return mul(sqrt(sum(square(scaled), 1, true)), largest);
}
