import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of TensorFlow.js's own operations.
import '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import * as cosface from '../../../src/index.js';
import { randomNumbers, randomProblem, relativeError } from '../../problem.js';
import { contrastiveReference, differences, type FamilyProblem, REFERENCES, tripletReference } from './reference.js';

type Options = Record<string, unknown> & { scale: number; margin: number };
type Loss = (x: tf.Tensor, w: tf.Tensor, y: number[], options: object) => tf.Tensor;

/** Every loss over classes, with options that its reference is told too. `scale` 1 is the rows' own length. */
const LOSSES: Array<[name: string, options: Partial<Options>]> = [
  ['softmaxLoss', {}],
  ['softmaxLoss', { labelSmoothing: 0.2 }],
  ['lSoftmaxLoss', { margin: 3 }],
  ['lSoftmaxLoss', { margin: 2, lambda: 2 }],
  ['aSoftmaxLoss', { margin: 4 }],
  ['aSoftmaxLoss', { margin: 4, lambda: 5 }],
  ['sphereFaceLoss', { scale: 16, margin: 4 }],
  ['sphereFaceLoss', { scale: 16, margin: 4, lambda: 3 }],
  ['normFaceLoss', { scale: 16 }],
  ['cosFaceLoss', { scale: 16, margin: 0.35 }],
  ['cosFaceLoss', { scale: 16, margin: 0.35, interclassFilter: 0.25 }],
  ['cosFaceLoss', { margin: 0.35, normalizeEmbeddings: false }],
  ['arcFaceLoss', { scale: 16, margin: 0.5 }],
  ['arcFaceLoss', { scale: 16, margin: 0.5, fallback: 'none' }],
  ['arcFaceLoss', { scale: 16, margin: 0.5, fallback: 'easy' }],
  ['arcFaceLoss', { scale: 16, margin: 0.5, fallback: 'hard' }],
  ['curricularFaceLoss', { scale: 16, margin: 0.5 }],
  ['mvSoftmaxLoss', { scale: 16, margin: 0.35, kind: 'am', t: 0.2 }],
  ['mvSoftmaxLoss', { scale: 16, margin: 0.5, kind: 'arc', t: 0.2 }],
  ['subCenterArcFaceLoss', { scale: 16, margin: 0.5, subCenters: 3 }],
  ['circleLoss', { scale: 32, margin: 0.25 }],
  ['circleLoss', { scale: 32, margin: 0.25, gradient: 'exact' }],
  ['sphereFace2Loss', { scale: 20, margin: 0.4, exponent: 3, balance: 0.7, bias: -2 }],
  ['uniFaceLoss', { scale: 16, margin: 0.4, negativeWeight: 0.5, bias: 3 }],
  ['adaCosLoss', { state: { scale: 4 } }],
  ['adaFaceLoss', { scale: 16, margin: 0.4, concentration: 0.333 }],
  ['magFaceLoss', { scale: 16, regularizer: 35 }],
  ['centerLoss', {}],
];
const COSINE_LOSSES = LOSSES.filter(
  ([name, { normalizeEmbeddings }]) =>
    !['softmaxLoss', 'lSoftmaxLoss', 'aSoftmaxLoss', 'centerLoss', 'adaFaceLoss', 'magFaceLoss'].includes(name) &&
    normalizeEmbeddings !== false,
);

const lossOf = (name: string) => (cosface as unknown as Record<string, Loss>)[name] as Loss;

function problemOf(seed: number, { subCenters = 1 }: Partial<Options>, shape = { batch: 7, classes: 6, dim: 5 }) {
  const { embeddings, weights, labels } = randomProblem({ ...shape, seed });
  const more = randomProblem({ ...shape, classes: shape.classes * (subCenters as number), seed: seed + 1 });
  // Lengths on both sides of 10, MagFace's least.
  const x = embeddings.map((row, i) => row.map((v) => Math.fround(v * (1 + 3 * i))));
  return { x, w: subCenters === 1 ? weights : more.weights, y: labels };
}

interface Outcome {
  value: Float32Array;
  dX: Float32Array;
  dW: Float32Array;
}

function outcome(name: string, problem: FamilyProblem, options: object, y = problem.y): Outcome {
  return tf.tidy(() => {
    const { value, grads } = tf.valueAndGrads((x: tf.Tensor, w: tf.Tensor) =>
      lossOf(name)(x, w, y, structuredClone(options)),
    )([tf.tensor2d(problem.x), tf.tensor2d(problem.w)]);
    return { value: value.dataSync(), dX: grads[0]?.dataSync(), dW: grads[1]?.dataSync() };
  }) as never;
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** Value and gradients of the mean against the reference and its differences. */
function expectExact(name: string, problem: FamilyProblem, options: Partial<Options>, tolerance = 1e-5): void {
  const reference = (REFERENCES[name] as (o: never) => (p: FamilyProblem, at: FamilyProblem) => number[])(
    options as never,
  );
  const mean = (p: FamilyProblem) => sum(reference(p, problem)) / problem.y.length;
  const { value, dX, dW } = outcome(name, problem, options);
  expect(relativeError(value, [mean(problem)]), 'loss').toBeLessThan(tolerance);
  expect(relativeError(dX, differences(mean, problem, 'x')), 'by x').toBeLessThan(tolerance);
  expect(relativeError(dW, differences(mean, problem, 'w')), 'by w').toBeLessThan(tolerance);
}

/** One sample in two dimensions, its centres at these angles from it, the first its own. */
function atAngles(...angles: number[]): FamilyProblem {
  const turned = 0.3;
  const ray = (a: number) => [Math.cos(a + turned), Math.sin(a + turned)].map(Math.fround);
  return { x: [ray(0).map((v) => Math.fround(2 * v))], w: angles.map(ray), y: [0] };
}

/** Every loss of the family on backends, by whatever computes it there. */
export function testFamily(backends: string[]): void {
  describe.each(backends)('the family on %s', (backend) => {
    beforeAll(async () => void (await tf.setBackend(backend)));

    test.each(LOSSES)('%s %j agrees with double precision and its finite differences', (name, options) => {
      for (const seed of [11, 12, 13]) expectExact(name, problemOf(seed, options), options);
    });

    test.each<[string, Partial<Options>, (side: number) => FamilyProblem]>([
      ['arcFaceLoss', { fallback: 'continuous' }, (side) => atAngles(Math.PI - 0.5 + side, 1)],
      ['arcFaceLoss', { fallback: 'hard' }, (side) => atAngles(Math.PI - 0.5 + side, 1)],
      ['arcFaceLoss', { fallback: 'easy' }, (side) => atAngles(Math.PI / 2 + side, 1.4)],
      ['sphereFaceLoss', { margin: 4 }, (side) => atAngles(Math.PI / 4 + side, 1.4)],
      ['sphereFaceLoss', { margin: 4 }, (side) => atAngles(Math.PI / 2 + side, 1.8)],
      ['cosFaceLoss', { margin: 0.35, interclassFilter: 0.5 }, (side) => atAngles(0.8, Math.PI / 3 + side, 1.5)],
      ['mvSoftmaxLoss', { kind: 'arc', t: 0.2 }, (side) => atAngles(0.6, 1.1 + side, -1.4)],
      ['curricularFaceLoss', {}, (side) => atAngles(0.6, 1.1 + side, -1.4)],
      ['circleLoss', { margin: 0.25 }, (side) => atAngles(1.5, Math.acos(-0.25) + side)],
      ['circleLoss', { margin: 0.25, gradient: 'exact' }, (side) => atAngles(1.5, Math.acos(-0.25) + side)],
    ])('%s %j is right on both sides of its kink', (name, options, problem) => {
      const all = { scale: 8, margin: 0.5, ...options };
      for (const side of [-1e-2, -1e-3, 1e-3, 1e-2]) expectExact(name, problem(side), all, 2e-5);
    });

    test.each(LOSSES)('%s %j: weights of 0 are ignoring, sums and each sample agree', (name, options) => {
      if (name === 'adaCosLoss' || name === 'adaFaceLoss' || name === 'curricularFaceLoss') return; // A statistic of the batch.
      const problem = problemOf(21, options);
      const zero = [1, 0, 2, 0, 1, 0.5, 1];
      const ignored = problem.y.map((label, i) => (zero[i] === 0 ? -1 : label));
      const weighted = outcome(name, problem, { ...options, sampleWeights: zero });
      const same = outcome(name, problem, { ...options, sampleWeights: zero.map((v) => v || 7) }, ignored);
      expect(relativeError(same.value, [...weighted.value])).toBeLessThan(1e-6);
      expect(relativeError(same.dX, [...weighted.dX])).toBeLessThan(1e-6);
      expect(relativeError(same.dW, [...weighted.dW])).toBeLessThan(1e-6);
      const added = outcome(name, problem, { ...options, sampleWeights: zero, reduction: 'sum' });
      const each = outcome(name, problem, { ...options, sampleWeights: zero, reduction: 'none' });
      expect(relativeError(added.value, [5 * (weighted.value[0] as number)])).toBeLessThan(1e-6);
      expect(relativeError([sum([...each.value])], [...added.value])).toBeLessThan(1e-6);
      expect(relativeError(each.dX, [...added.dX])).toBeLessThan(2e-6);
      expect(relativeError(each.dW, [...added.dW])).toBeLessThan(2e-6);
    });

    test.each(LOSSES)('%s %j: nothing to learn from, and no samples', (name, options) => {
      const problem = problemOf(31, options);
      const none = outcome(
        name,
        problem,
        options,
        problem.y.map(() => -1),
      );
      expect([...none.value, ...none.dX, ...none.dW].every((v) => v === 0)).toBe(true);
      tf.tidy(() => {
        const [x, w] = [tf.zeros([0, 5]), tf.tensor2d(problem.w)];
        expect(lossOf(name)(x, w, [], options).dataSync()[0]).toBe(0);
      });
    });

    test.each(COSINE_LOSSES)('%s %j: rows of length 0 and rows that coincide stay finite', (name, options) => {
      const problem = problemOf(41, options);
      const k = (options['subCenters'] as number) ?? 1;
      problem.x[0] = [0, 0, 0, 0, 0];
      problem.w[(problem.y[1] as number) * k] = [0, 0, 0, 0, 0];
      problem.x[2] = problem.w[(problem.y[2] as number) * k] as number[];
      problem.x[3] = (problem.w[(problem.y[3] as number) * k] as number[]).map((v) => -2 * v);
      const { value, dX, dW } = outcome(name, problem, options);
      for (const values of [value, dX, dW]) expect([...values].every(Number.isFinite)).toBe(true);
      expect([...dX.slice(0, 5)].every((v) => v === 0)).toBe(true);
    });

    test('softmax of a zero row has the gradient of its products', () => {
      const problem = problemOf(43, {});
      problem.x[0] = [0, 0, 0, 0, 0];
      expectExact('softmaxLoss', problem, {});
    });

    test.each([64, 160, 1000])('at scale %d nothing overflows, and confident rows keep their digits', (scale) => {
      const problem = problemOf(51, {});
      const random = randomNumbers(5);
      problem.x = problem.y.map((y) => (problem.w[y] as number[]).map((v) => Math.fround(v + 0.05 * random())));
      const growth = scale / 64;
      for (const [name, options] of LOSSES) {
        if (!('scale' in options) || options['subCenters']) continue;
        if (name === 'sphereFace2Loss' || name === 'uniFaceLoss') continue; // Below.
        const all = { ...options, scale };
        const reference = (REFERENCES[name] as (o: never) => (p: FamilyProblem, at: FamilyProblem) => number[])(
          all as never,
        );
        const { value, dX, dW } = outcome(name, problem, { ...all, reduction: 'none' });
        const expected = reference(problem, problem);
        // A float32 cosine is off by 6e-8, so a confident loss by that times the scale relative to itself; powers steepen it.
        const relative = Array.from(value, (v, i) => Math.abs(v - (expected[i] as number)) / (expected[i] as number));
        for (const [i, error] of relative.entries()) {
          if ((expected[i] as number) > 1e-30) expect(error, `${name} ${i}`).toBeLessThan(1e-4 * growth);
        }
        for (const values of [dX, dW]) expect([...values].every(Number.isFinite)).toBe(true);
      }
      for (const name of ['sphereFace2Loss', 'uniFaceLoss']) {
        const { value, dX, dW } = outcome(name, problem, { scale });
        for (const values of [value, dX, dW]) expect([...values].every(Number.isFinite), name).toBe(true);
      }
    });

    test('one class costs nothing', () => {
      for (const [name, options] of LOSSES) {
        if (['sphereFace2Loss', 'uniFaceLoss', 'centerLoss', 'magFaceLoss'].includes(name)) continue;
        const k = (options['subCenters'] as number) ?? 1;
        const problem = problemOf(61, options, { batch: 4, classes: 1, dim: 5 });
        expect(problem.w).toHaveLength(k);
        const { value, dX, dW } = outcome(name, problem, options);
        expect(
          [...value, ...dX, ...dW].every((v) => Math.abs(v) < 1e-7),
          name,
        ).toBe(true);
      }
    });

    const arbitrary = fc.record({ seed: fc.nat(), loss: fc.constantFrom(...COSINE_LOSSES) });

    test('the loss sees no row’s length, and gradients are at right angles to their rows', () => {
      fc.assert(
        fc.property(
          arbitrary,
          fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
          ({ seed, loss: [name, options] }, factor) => {
            const problem = problemOf(seed, options);
            const longer = { ...problem, x: problem.x.map((row) => row.map((v) => v * factor)) };
            const once = outcome(name, problem, options);
            // Rounding may carry a cosine over a filter or a threshold; then the losses are not comparable.
            fc.pre(options['interclassFilter'] === undefined);
            expect(relativeError(outcome(name, longer, options).value, [...once.value])).toBeLessThan(2e-5);
            for (const [gradients, rows] of [
              [once.dX, problem.x],
              [once.dW, problem.w],
            ] as const) {
              for (const [r, row] of rows.entries()) {
                const gradient = [...gradients.slice(r * row.length, (r + 1) * row.length)];
                const along = sum(gradient.map((g, d) => g * (row[d] as number)));
                const lengths = Math.hypot(...gradient) * Math.hypot(...row);
                expect(Math.abs(along), name).toBeLessThanOrEqual(1e-5 * lengths + 1e-6);
              }
            }
          },
        ),
        { numRuns: 60, seed: 1 },
      );
    });

    test('the order of samples and classes changes nothing', () => {
      fc.assert(
        fc.property(
          fc.record({ seed: fc.nat(), loss: fc.constantFrom(...LOSSES) }),
          ({ seed, loss: [name, options] }) => {
            fc.pre(!options['subCenters']);
            const problem = problemOf(seed, options);
            const turned = {
              x: [...problem.x].reverse(),
              w: [...problem.w].reverse(),
              y: [...problem.y].reverse().map((y) => problem.w.length - 1 - y),
            };
            const [a, b] = [outcome(name, problem, options), outcome(name, turned, options)];
            const rows = (values: Float32Array) =>
              Array.from({ length: values.length / 5 }, (_, r) => [...values.slice(5 * r, 5 * r + 5)]).reverse();
            expect(relativeError(b.value, [...a.value])).toBeLessThan(1e-5);
            expect(relativeError(rows(b.dX).flat(), [...a.dX])).toBeLessThan(2e-5);
            expect(relativeError(rows(b.dW).flat(), [...a.dW])).toBeLessThan(2e-5);
          },
        ),
        { numRuns: 60, seed: 2 },
      );
    });

    test('without what makes it special each loss is NormFace', () => {
      const problem = problemOf(71, {});
      const plain = outcome('normFaceLoss', problem, { scale: 16 });
      const neutral: Array<[string, object]> = [
        ['cosFaceLoss', { margin: 0 }],
        ['arcFaceLoss', { margin: 0, fallback: 'hard' }],
        ['sphereFaceLoss', { margin: 1, lambda: 2 }],
        ['mvSoftmaxLoss', { margin: 0, t: 0 }],
        ['subCenterArcFaceLoss', { margin: 0, subCenters: 1 }],
        ['adaFaceLoss', { margin: 0 }],
        ['magFaceLoss', { leastMargin: 0, largestMargin: 0, regularizer: 0 }],
        ['normFaceLoss', { labelSmoothing: 0, interclassFilter: 1 }],
      ];
      for (const [name, options] of neutral) {
        const { value, dX, dW } = outcome(name, problem, { scale: 16, ...options });
        expect(relativeError(value, [...plain.value]), name).toBeLessThan(3e-6);
        expect(relativeError(dX, [...plain.dX]), name).toBeLessThan(1e-5);
        expect(relativeError(dW, [...plain.dW]), name).toBeLessThan(1e-5);
      }
    });

    test.each([
      ['contrastiveLoss', { margin: 1 }],
      ['contrastiveLoss', { margin: 0.7, positiveMargin: 0.3 }],
      ['contrastiveLoss', { margin: 1.2, positiveMargin: 0.1, form: 'linear' }],
      ['tripletLoss', { margin: 0.3, mining: 'semi-hard' }],
      ['tripletLoss', { margin: 0.3, mining: 'all' }],
      ['tripletLoss', { margin: 0.3, mining: 'hard' }],
    ])('%s %j agrees with double precision and its finite differences', (name, options) => {
      for (const seed of [81, 82, 83]) {
        const problem = problemOf(seed, {}, { batch: 9, classes: 3, dim: 4 });
        const value = (p: FamilyProblem) =>
          name === 'tripletLoss'
            ? tripletReference(p, problem, options as never)
            : contrastiveReference(p, options as never);
        const loss = (cosface as unknown as Record<string, (x: tf.Tensor, y: number[], o: object) => tf.Tensor>)[name];
        const { actual, gradient } = tf.tidy(() => {
          const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => loss?.(x, problem.y, options) as tf.Tensor)(
            tf.tensor2d(problem.x),
          );
          return { actual: value.dataSync(), gradient: grad.dataSync() } as never;
        }) as { actual: Float32Array; gradient: Float32Array };
        expect(value(problem)).toBeGreaterThan(0);
        expect(relativeError(actual, [value(problem)])).toBeLessThan(3e-6);
        expect(relativeError(gradient, differences(value, problem, 'x'))).toBeLessThan(1e-5);
      }
    });
  });
}
