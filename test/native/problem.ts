import type { MarginSoftmaxOptions } from '../../src/native/index.js';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface ProblemShape {
  batch: number;
  classes: number;
  dim: number;
  seed?: number;
}

export type Problem = Pick<MarginSoftmaxOptions, 'embeddings' | 'weights' | 'labels' | 'dim'>;

/** Embeddings that lean to their class, as half-trained ones do. */
export function makeProblem({ batch, classes, dim, seed = 1 }: ProblemShape): Problem {
  const random = seededRandom(seed);
  const weights = Float32Array.from({ length: classes * dim }, () => random() - 0.5);
  const labels = Int32Array.from({ length: batch }, () => Math.floor(random() * classes));
  const embeddings = new Float32Array(batch * dim);
  for (let i = 0; i < batch; i++)
    for (let d = 0; d < dim; d++) embeddings[i * dim + d] = 0.5 * weights[labels[i]! * dim + d]! + (random() - 0.5);
  return { embeddings, weights, labels, dim };
}

/** |a - b| / |b|, or |a - b| where b is 0. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let k = 0; k < b.length; k++) {
    difference += (a[k]! - b[k]!) ** 2;
    size += b[k]! ** 2;
  }
  return Math.sqrt(size > 0 ? difference / size : difference);
}
