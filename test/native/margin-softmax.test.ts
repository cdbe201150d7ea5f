import { describe, expect, test } from 'vitest';
import { marginSoftmax, marginSoftmaxAsync, sampleClasses } from '../../src/native/index.js';
import { makeProblem, relativeError, seededRandom } from './problem.js';
import { marginSoftmaxReference, type ReferenceProblem } from './reference.js';

const FAMILY = [
  { name: 'NormFace', m1: 1, m2: 0, m3: 0 },
  { name: 'CosFace', m1: 1, m2: 0, m3: 0.35 },
  { name: 'ArcFace', m1: 1, m2: 0.5, m3: 0 },
  { name: 'SphereFace', m1: 4, m2: 0, m3: 0 },
  { name: 'combined', m1: 1.2, m2: 0.3, m3: 0.1 },
];

/** One size of each kind: single, below, at and above a vector; several blocks of classes. */
const SHAPES = [
  { batch: 1, classes: 1, dim: 1 },
  { batch: 2, classes: 2, dim: 3 },
  { batch: 7, classes: 17, dim: 8 },
  { batch: 33, classes: 130, dim: 17 },
  { batch: 64, classes: 1000, dim: 64 },
];

function expectLikeReference(problem: ReferenceProblem): void {
  const result = marginSoftmax({ ...problem, gradients: true });
  const reference = marginSoftmaxReference(problem);
  expect(relativeError(result.loss, reference.loss)).toBeLessThanOrEqual(2e-6);
  expect(relativeError(result.dEmbeddings!, reference.dEmbeddings)).toBeLessThanOrEqual(1e-5);
  expect(relativeError(result.dWeights!, reference.dWeights)).toBeLessThanOrEqual(1e-5);
  result.targetCosine.forEach((cosine, i) => {
    expect(Math.abs(cosine - reference.targetCosine[i]!)).toBeLessThanOrEqual(1e-6);
  });
  result.prediction.forEach((c, i) => {
    const cosines = reference.cosines[i]!;
    expect(cosines[c]).toBeGreaterThanOrEqual(Math.max(...cosines) - 1e-6);
  });
}

describe('marginSoftmax against the double-precision reference', () => {
  test.each(FAMILY)('$name at every shape', ({ m1, m2, m3 }) => {
    for (const shape of SHAPES) expectLikeReference({ ...makeProblem(shape), scale: 30, m1, m2, m3 });
  });

  test.each([1, 8, 64])('scale %d', (scale) => {
    expectLikeReference({ ...makeProblem({ batch: 19, classes: 70, dim: 33 }), scale, m1: 1, m2: 0, m3: 0.35 });
  });

  test('ignored samples, sample weights and sample margins', () => {
    const problem = makeProblem({ batch: 40, classes: 25, dim: 16, seed: 3 });
    const random = seededRandom(4);
    problem.labels.forEach((_, i) => {
      if (i % 5 === 0) problem.labels[i] = 255;
    });
    const sampleWeights = Float32Array.from(problem.labels, (_, i) => (i % 7 === 0 ? 0 : random() * 3));
    const sampleMargins = Float32Array.from(problem.labels, () => random() - 0.3);
    expectLikeReference({
      ...problem,
      scale: 16,
      m1: 1,
      m2: 0,
      m3: 0.9,
      ignoreLabel: 255,
      sampleWeights,
      sampleMargins,
    });
  });

  test('rows that are zero have cosine 0 and gradient 0', () => {
    const problem = makeProblem({ batch: 5, classes: 6, dim: 4 });
    problem.embeddings.fill(0, 4, 8);
    problem.weights.fill(0, 8, 12);
    expectLikeReference({ ...problem, scale: 64, m1: 1, m2: 0, m3: 0.35 });
    const { dEmbeddings } = marginSoftmax({ ...problem, gradients: true });
    expect(dEmbeddings!.subarray(4, 8).every((g) => g === 0)).toBe(true);
  });
});

describe('marginSoftmax', () => {
  const problem = makeProblem({ batch: 6, classes: 9, dim: 5 });

  test('defaults are scale 64 and no margin', () => {
    const given = marginSoftmax({ ...problem, scale: 64, m1: 1, m2: 0, m3: 0, ignoreLabel: -1, gradients: false });
    expect(marginSoftmax(problem)).toEqual(given);
    expect(Object.keys(given).sort()).toEqual(['loss', 'prediction', 'targetCosine']);
  });

  test('gradients are those of the mean: a step along them lowers it as they say', () => {
    const step = 1e-3;
    const mean = (embeddings: Float32Array) =>
      marginSoftmaxReference({ ...problem, embeddings, scale: 10, m1: 1, m2: 0.2, m3: 0.1 }).mean;
    const { dEmbeddings } = marginSoftmax({ ...problem, scale: 10, m2: 0.2, m3: 0.1, gradients: true });
    const moved = (sign: number) => problem.embeddings.map((v, k) => v + sign * step * dEmbeddings![k]!);
    const squaredNorm = dEmbeddings!.reduce((sum, g) => sum + g * g, 0);
    const slope = (mean(moved(1)) - mean(moved(-1))) / (2 * step);
    expect(slope / squaredNorm).toBeCloseTo(1, 3);
  });

  test('an equal cosine predicts the lowest class', () => {
    const weights = Float32Array.of(0, 1, 1, 0, 1, 0);
    const { prediction } = marginSoftmax({
      embeddings: Float32Array.of(2, 0),
      weights,
      labels: Int32Array.of(0),
      dim: 2,
    });
    expect(prediction).toEqual(Int32Array.of(1));
  });

  test('no samples: empty results and gradients of 0', () => {
    const result = marginSoftmax({
      embeddings: new Float32Array(0),
      weights: problem.weights,
      labels: new Int32Array(0),
      dim: 5,
      gradients: true,
    });
    expect(result.loss).toHaveLength(0);
    expect(result.dWeights).toEqual(new Float32Array(problem.weights.length));
  });

  test('the bits do not depend on threads, nor on the budget for memory', () => {
    const large = makeProblem({ batch: 100, classes: 700, dim: 48 });
    const options = { ...large, m3: 0.35, gradients: true };
    const one = marginSoftmax({ ...options, threads: 1 });
    for (const threads of [2, 3, 8]) expect(marginSoftmax({ ...options, threads })).toEqual(one);
    const tight = marginSoftmax({ ...options, workspaceBytes: 0 });
    expect(relativeError(tight.dWeights!, one.dWeights!)).toBeLessThanOrEqual(1e-5);
  });

  test('inputs may be views anywhere in their buffers, and are left as they were', () => {
    const shifted = new Float32Array(problem.embeddings.length + 3);
    shifted.set(problem.embeddings, 3);
    const before = shifted.slice();
    expect(marginSoftmax({ ...problem, embeddings: shifted.subarray(3) })).toEqual(marginSoftmax(problem));
    expect(shifted).toEqual(before);
  });

  test('inputs may lie in a WebAssembly.Memory', () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const embeddings = new Float32Array(memory.buffer, 16, problem.embeddings.length);
    embeddings.set(problem.embeddings);
    expect(marginSoftmax({ ...problem, embeddings })).toEqual(marginSoftmax(problem));
    memory.grow(1);
    expect(() => marginSoftmax({ ...problem, embeddings })).toThrow(/COSFACE_DETACHED: embeddings/);
  });

  test('undefined and null stand for an optional array that is not given', () => {
    const without = marginSoftmax(problem);
    expect(marginSoftmax({ ...problem, sampleWeights: null, sampleMargins: undefined })).toEqual(without);
  });
});

describe('class sampling', () => {
  const problem = makeProblem({ batch: 20, classes: 200, dim: 17, seed: 5 });
  const options = { ...problem, m3: 0.35, gradients: true };

  test('all classes as ids are the full loss to the last bit', () => {
    const classIds = sampleClasses({ labels: problem.labels, numClasses: 200, rate: 1 });
    expect(marginSoftmax({ ...options, classIds })).toEqual(marginSoftmax(options));
  });

  test('is the loss of the sampled rows alone; no other row is read', async () => {
    const classIds = sampleClasses({ labels: problem.labels, numClasses: 200, rate: 0.2, seed: 6 });
    const rows = new Float32Array(classIds.length * 17);
    const weights = new Float32Array(problem.weights.length).fill(Number.NaN);
    for (const [k, c] of classIds.entries()) {
      rows.set(problem.weights.subarray(c * 17, c * 17 + 17), k * 17);
      weights.set(problem.weights.subarray(c * 17, c * 17 + 17), c * 17);
    }
    const labels = problem.labels.map((y) => classIds.indexOf(y));
    const expected = marginSoftmax({ ...options, labels, weights: rows });
    expected.prediction = expected.prediction.map((k) => classIds[k]!);
    expect(marginSoftmax({ ...options, weights, classIds })).toEqual(expected);
    expect(await marginSoftmaxAsync({ ...options, weights, classIds })).toEqual(expected);
    expect(expected.dWeights).toHaveLength(classIds.length * 17);
  });
});
