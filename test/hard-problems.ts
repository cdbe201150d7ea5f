import { randomNumbers, randomProblem } from './problem.js';
import type { ReferenceProblem } from './reference.js';

const axis = (dim: number, d: number, length: number): number[] =>
  Array.from({ length: dim }, (_, k) => (k === d ? length : 0));

function withRow(problem: ReferenceProblem, of: 'embeddings' | 'weights', r: number, row: number[]): ReferenceProblem {
  return { ...problem, [of]: problem[of].map((old, i) => (i === r ? row.map(Math.fround) : old)) };
}

/** Every sample nearly on its own centre, so that p_y is within 1e-10 of 1. */
function confident(): ReferenceProblem {
  const random = randomNumbers(5);
  const problem = randomProblem({ batch: 6, classes: 12, dim: 16, m3: 0.1 });
  const near = (y: number) => (problem.weights[y] as number[]).map((v) => Math.fround(v + 0.01 * random()));
  return { ...problem, embeddings: problem.labels.map(near) };
}

/** Two classes exactly alike: the prediction must be the lower index, and the row's p_y is one half. */
function tied(): ReferenceProblem {
  const problem = randomProblem({ batch: 3, classes: 6, dim: 5, m3: 0 });
  const twin = problem.weights[1] as number[];
  return { ...withRow(problem, 'weights', 4, twin), embeddings: [twin, twin, twin], labels: [1, 4, 0] };
}

const shape = { batch: 7, classes: 13, dim: 8 };
const plain = randomProblem({ ...shape, m3: 0.35 });
const perSample = {
  sampleWeights: [1, 0, 0.5, 2, -1, 1, 3],
  sampleMargins: [0.1, 0.35, 0, -0.2, 0.5, 2, -2].map(Math.fround),
};
const weights16 = Array.from({ length: 7 }, (_, i) => Math.fround(1 + i / 3));

/**
 * Inputs at the edges of what is allowed: degenerate shapes, lengths and options.
 */
export const HARD_PROBLEMS: Record<string, ReferenceProblem> = {
  'one class': randomProblem({ ...shape, classes: 1, m3: 0.35 }),
  'one dimension': randomProblem({ ...shape, dim: 1, m3: 0.35 }),
  'one of everything': randomProblem({ batch: 1, classes: 1, dim: 1 }),
  'one sample': randomProblem({ ...shape, batch: 1, m3: 0.35 }),
  'a zero embedding': withRow(plain, 'embeddings', 2, axis(8, 0, 0)),
  'a zero centre': withRow(plain, 'weights', plain.labels[0] as number, axis(8, 0, 0)),
  'a row just too short to count': withRow(plain, 'embeddings', 2, axis(8, 3, 0.99e-12)),
  'a row just long enough': withRow(plain, 'embeddings', 2, axis(8, 3, 1.01e-12)),
  'a very long row': withRow(plain, 'embeddings', 2, [1e30, -2e30, 3e30, 0, 1e30, 0, 0, 1e29]),
  'a zero embedding of a zero centre under an angular margin': {
    ...withRow(withRow(plain, 'embeddings', 2, axis(8, 0, 0)), 'weights', plain.labels[2] as number, axis(8, 0, 0)),
    m2: 0.5,
  },
  'labels at both ends': { ...plain, labels: [0, 12, 0, 12, 0, 12, 0] },
  'all of one class': { ...plain, labels: plain.labels.map(() => 5) },
  'some ignored': { ...plain, labels: [-1, 3, -1, 0, 12, -1, 4] },
  'all ignored': { ...plain, labels: plain.labels.map(() => -1) },
  'an ignored class': { ...plain, ignoreLabel: 5, labels: [5, 3, 5, 0, 12, 5, 4] },
  'per-sample weights and margins': { ...plain, ...perSample },
  'per-sample angles': { ...plain, ...perSample, sampleMarginTerm: 'm2' },
  'per-sample factors': { ...plain, sampleMargins: [1, 2, 4, 16, 0.5, 1.5, 3], sampleMarginTerm: 'm1' },
  'all weights 0': { ...plain, sampleWeights: plain.labels.map(() => 0) },
  'cosine 1': { ...plain, sampleWeights: weights16, embeddings: plain.labels.map((y) => plain.weights[y] as number[]) },
  'confident rows': confident(),
  'tied classes': tied(),
};

/** A margin on the angle where the angle is 0 or pi and has no finite derivative by the cosine. */
export const UNSTEADY_PROBLEMS: Record<string, ReferenceProblem> = {
  'an angular margin at cosine 1': {
    ...plain,
    m3: 0,
    m2: 0.5,
    embeddings: plain.labels.map((y) => plain.weights[y] as number[]),
  },
  'an angular margin at cosine -1': {
    ...plain,
    ...{ m3: 0, m2: 0.5 },
    embeddings: plain.labels.map((y) => (plain.weights[y] as number[]).map((v) => -2 * v)),
  },
};

/** Scales on both sides of what a fixed shift of the exponent can take. */
export const SCALES: readonly number[] = [1, 8, 30, 64, 160, 1000];
