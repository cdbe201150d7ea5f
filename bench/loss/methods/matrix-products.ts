import { dispose, matMul, type Tensor, tensor2d, tidy } from '@tensorflow/tfjs-core';
import { samplesToCheck } from '../double-precision.js';
import type { Runnable } from '../method.js';
import type { LossProblem } from '../problem.js';
import type { LossRow } from '../rows.js';

/**
 * The products of a step and nothing else, on the current backend: z = x w^T, and for gradients z w in the place of dx
 * and z^T x in the place of dw. No loss that is built from the backend's ops can be faster.
 */
export function matrixProductsStep(
  { batch, classes, dim, embeddings, weights }: LossProblem,
  { pass }: Pick<LossRow, 'pass'>,
): Pick<Runnable, 'call' | 'relativeError'> {
  const x = tensor2d(embeddings, [batch, dim]);
  const w = tensor2d(weights, [classes, dim]);

  const products = (): Tensor[] =>
    tidy(() => {
      const z = matMul(x, w, false, true);
      return pass === 'forward' ? [z] : [z, matMul(z, w), matMul(z, x, true)];
    });

  return {
    call: () => {
      // The backends of Node have computed when an op returns; there is nothing to wait for.
      dispose(products());
      return undefined;
    },
    relativeError: (read) => {
      const problem = read();
      const results = products();
      const [z, zw] = results.map((product) => product.dataSync() as Float32Array);
      dispose(results);
      return productsError(problem, z as Float32Array, zw);
    },
  };
}

/** Of z and, where there is one, z w, in the rows that a check can afford; every row of z^T x would need all of z in double precision. */
function productsError(
  { dim, classes, ...problem }: LossProblem,
  z: Float32Array,
  zw: Float32Array | undefined,
): number {
  const errors = samplesToCheck({ dim, classes, ...problem }).map((i) => {
    const exactZ = new Float64Array(classes);
    const exactZw = new Float64Array(dim);
    for (let c = 0; c < classes; c++) {
      let dot = 0;
      for (let d = 0; d < dim; d++)
        dot += (problem.embeddings[i * dim + d] as number) * (problem.weights[c * dim + d] as number);
      exactZ[c] = dot;
      for (let d = 0; d < dim; d++)
        exactZw[d] = (exactZw[d] as number) + dot * (problem.weights[c * dim + d] as number);
    }
    const zError = distance(z.subarray(i * classes, (i + 1) * classes), exactZ);
    return zw ? Math.max(zError, distance(zw.subarray(i * dim, (i + 1) * dim), exactZw)) : zError;
  });
  return Math.max(...errors);
}

function distance(actual: Float32Array, exact: Float64Array): number {
  const difference = Math.hypot(...Array.from(exact, (value, at) => (actual[at] ?? Number.NaN) - value));
  return difference / Math.hypot(...exact);
}
