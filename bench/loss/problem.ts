import { MARGIN, type Shape, type TrainingState } from './rows.js';

export interface LossProblem extends Shape {
  /** [N, D]. */
  embeddings: Float32Array;
  /** [C, D]. */
  weights: Float32Array;
  /** [N]. */
  labels: Int32Array;
  /** m. */
  margin: number;
}

export interface ProblemKey extends Shape {
  state: TrainingState;
  /** MARGIN where not given. */
  margin?: number;
}

/** Mean and standard deviation of the target cosine in the state `trained`, and where it is cut off. */
const TRAINED_COSINE = { mean: 0.75, deviation: 0.1, least: 0.3, most: 0.95 };

/** Noise by signal: target cosines of about 0.16 and 0.45. */
const NOISE: Record<Exclude<TrainingState, 'trained'>, number> = { early: 6, middle: 2 };

/** How `makeProblem` draws, for a report. */
export const PROBLEM_DESCRIPTION: string =
  'class centres uniform in [-1, 1]^D, labels uniform, each embedding its class centre plus twice as much noise ' +
  '(target cosine about 0.45, others about 0), from a fixed seed; scale 64, margin 0.35. Early state: six times as much ' +
  'noise (target cosine about 0.16). Trained state: target cosines normal with mean ' +
  `${TRAINED_COSINE.mean} and deviation ${TRAINED_COSINE.deviation} within [${TRAINED_COSINE.least}, ` +
  `${TRAINED_COSINE.most}], as where most samples are told with confidence and a tail is not`;

/** A batch of a training. The same numbers for the same shape and state, in every process. */
export function makeProblem({ batch, classes, dim, state, margin = MARGIN }: ProblemKey): LossProblem {
  const random = uniform(20180626);
  const weights = signedUniform(classes * dim, random);
  const labels = new Int32Array(batch).map(() => Math.floor(random() * classes));
  const embeddings = signedUniform(batch * dim, random);
  for (let i = 0; i < batch; i++) {
    const row = embeddings.subarray(i * dim, (i + 1) * dim);
    const label = labels[i] as number;
    const centre = weights.subarray(label * dim, (label + 1) * dim);
    if (state === 'trained') turnTo(row, centre, trainedCosine(random));
    else for (let d = 0; d < dim; d++) row[d] = (centre[d] as number) + NOISE[state] * (row[d] as number);
  }
  return { batch, classes, dim, embeddings, weights, labels, margin };
}

function signedUniform(length: number, random: () => number): Float32Array {
  const values = new Float32Array(length);
  // Not map: a million classes are 5e8 of them.
  for (let at = 0; at < length; at++) values[at] = 2 * random() - 1;
  return values;
}

function trainedCosine(random: () => number): number {
  const { mean, deviation, least, most } = TRAINED_COSINE;
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(Math.max(mean + deviation * normal, least), most);
}

/** Makes `row` a vector of its own norm whose cosine to `centre` is `cosine`; what lies across keeps its direction. */
function turnTo(row: Float32Array, centre: Float32Array, cosine: number): void {
  const norm = (v: Float32Array) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));
  const [rowNorm, centreNorm] = [norm(row), norm(centre)];
  const along = row.reduce((sum, value, d) => sum + value * (centre[d] as number), 0) / centreNorm ** 2;
  const across = row.map((value, d) => value - along * (centre[d] as number));
  // In one dimension nothing lies across.
  const acrossFactor = (Math.sqrt(1 - cosine ** 2) * rowNorm) / (norm(across) || 1);
  const alongFactor = (cosine * rowNorm) / centreNorm;
  for (let d = 0; d < row.length; d++)
    row[d] = alongFactor * (centre[d] as number) + acrossFactor * (across[d] as number);
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
