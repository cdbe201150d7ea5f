import { backendInfo } from '../../../src/native/backend-info.js';
import { topK } from '../../../src/native/index.js';
import { samplesToCheck } from '../double-precision.js';
import type { Runnable } from '../method.js';
import type { LossProblem } from '../problem.js';
import type { LossRow } from '../rows.js';

/** `topK` of `cosface/native`: of each embedding, as a query, the nearest class centre, as a gallery. */
export function nearestRowsStep({ threads }: LossRow, problem: LossProblem): Runnable {
  const info = backendInfo();
  const workers = threads === 'all' ? (info.threads as number) : threads;
  const { embeddings: queries, weights: gallery, dim } = problem;
  const search = () => topK({ queries, gallery, dim, k: 1, threads: workers });
  return {
    isa: info.isa as string,
    threads: workers,
    call: () => {
      search();
      return undefined;
    },
    relativeError: () => {
      const { indices, scores } = search();
      const errors = samplesToCheck(problem).map((query) => {
        const { index, cosine } = nearestRow(problem, query);
        return indices[query] === index ? Math.abs((scores[query] as number) - cosine) / Math.abs(cosine) : Number.NaN;
      });
      return Math.max(...errors);
    },
  };
}

function nearestRow({ embeddings, weights, classes, dim }: LossProblem, query: number) {
  const q = embeddings.subarray(query * dim, (query + 1) * dim);
  const norm = Math.sqrt(dot(q, q));
  let nearest = { index: -1, cosine: -2 };
  for (let c = 0; c < classes; c++) {
    const w = weights.subarray(c * dim, (c + 1) * dim);
    const cosine = dot(q, w) / (norm * Math.sqrt(dot(w, w)));
    if (cosine > nearest.cosine) nearest = { index: c, cosine };
  }
  return nearest;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += (a[d] as number) * (b[d] as number);
  return sum;
}
