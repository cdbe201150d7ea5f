import type { Shape } from './rows.js';

/** The paper's and this package's defaults. */
export const SCALE = 64;
export const MARGIN = 0.35;

export interface LossProblem extends Shape {
  /** [N, D]. */
  embeddings: Float32Array;
  /** [C, D]. */
  weights: Float32Array;
  /** [N]. */
  labels: Int32Array;
}

/** How `makeProblem` draws, for a report. */
export const PROBLEM_DESCRIPTION: string =
  'class centres uniform in [-1, 1]^D, labels uniform, each embedding its class centre plus twice as much noise ' +
  '(target cosine about 0.45, others about 0), from a fixed seed; scale 64, margin 0.35';

/** A batch as in the middle of a training. The same numbers for the same shape, in every process. */
export function makeProblem({ batch, classes, dim }: Shape): LossProblem {
  const random = uniform(20180626);
  const weights = new Float32Array(classes * dim).map(() => 2 * random() - 1);
  const labels = new Int32Array(batch).map(() => Math.floor(random() * classes));
  const embeddings = new Float32Array(batch * dim).map((_, at) => {
    const centre = (labels[Math.floor(at / dim)] as number) * dim;
    return (weights[centre + (at % dim)] as number) + 2 * (2 * random() - 1);
  });
  return { batch, classes, dim, embeddings, weights, labels };
}

/** Numbers in [0, 1): 32 bits of a Weyl sequence, mixed as in MurmurHash3's finaliser. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  };
}
