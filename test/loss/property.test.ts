import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { marginSoftmax } from '../../src/loss/margin-softmax.js';
import { randomNumbers, randomProblem, relativeError, tensorsOf } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';

const float = (min: number, max: number) => fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true });

/** Any allowed call on a random problem; small, because the reference takes N C D steps in JavaScript. */
const problems: fc.Arbitrary<ReferenceProblem> = fc
  .record({
    ...{ batch: fc.integer({ min: 1, max: 12 }), classes: fc.integer({ min: 1, max: 40 }) },
    ...{ dim: fc.integer({ min: 1, max: 20 }), seed: fc.nat(), scale: float(0.5, 64) },
    // Angles away from 0: there float32 leaves no 1e-5 (see "an angular margin at cosine 1").
    ...{ m1: fc.constantFrom(1, 1, 1.5, 4), m2: fc.constantFrom(0, 0, 0.5), m3: float(0, 1) },
    reduction: fc.constantFrom('mean' as const, 'sum' as const),
    gradient: fc.constantFrom('exact' as const, 'detached' as const),
    ignored: fc.boolean(),
    weighted: fc.boolean(),
  })
  .map(({ ignored, weighted, ...options }) => {
    const problem = randomProblem(options);
    const random = randomNumbers(options.seed + 1);
    return {
      ...problem,
      ...(weighted && { sampleWeights: problem.labels.map(() => Math.fround(2 * random())) }),
      labels: problem.labels.map((y) => (ignored && random() < 0.3 ? -1 : y)),
    };
  });

function run(problem: ReferenceProblem): Array<Float32Array | Int32Array> {
  return tf.tidy(() => {
    const { embeddings, weights, labels } = tensorsOf(problem);
    const { embeddings: _x, weights: _w, labels: _y, ...options } = problem;
    let prediction: Int32Array | undefined;
    const { value, grads } = tf.valueAndGrads((x: tf.Tensor, w: tf.Tensor) => {
      const result = marginSoftmax(x, w, labels, options);
      prediction = result.prediction.dataSync<'int32'>();
      return result.loss;
    })([embeddings, weights]);
    return [value, ...grads].map((t) => t.dataSync<'float32'>() as Float32Array | Int32Array).concat(prediction ?? []);
  });
}

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  test('any allowed call agrees with the reference', () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const expected = reference(problem);
        // One dimension has cosines of 1 and -1 only, where a margin on the angle is as unsteady as can be.
        fc.pre(problem.weights[0]?.length !== 1 || (problem.m1 === 1 && problem.m2 === 0));
        const [loss, dEmbeddings, dWeights, prediction] = run(problem);
        expect(relativeError(loss ?? [], [expected.reducedLoss])).toBeLessThan(1e-5);
        expect(relativeError(dEmbeddings ?? [], expected.dEmbeddings.flat())).toBeLessThan(2e-5);
        expect(relativeError(dWeights ?? [], expected.dWeights.flat())).toBeLessThan(2e-5);
        expect([...(prediction ?? [])]).toEqual(expected.prediction);
      }),
      { numRuns: 200, seed: 20180601 },
    );
  });

  test('the loss does not see the length of any row', () => {
    fc.assert(
      fc.property(fc.nat(), float(1e-3, 1e3), float(1e-3, 1e3), (seed, a, b) => {
        const { embeddings, weights, labels } = tensorsOf(randomProblem({ batch: 4, classes: 6, dim: 5, seed }));
        const once = cosFaceLoss(embeddings, weights, labels, { scale: 16 });
        const scaled = cosFaceLoss(tf.mul(embeddings, a), tf.mul(weights, b), labels, { scale: 16 });
        expect(relativeError(scaled.dataSync(), [...once.dataSync()])).toBeLessThan(1e-5);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  test('gradients are at right angles to their rows', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { embeddings, weights, labels } = tensorsOf(randomProblem({ batch: 4, classes: 6, dim: 5, seed }));
        const [dX, dW] = tf.grads((x: tf.Tensor, w: tf.Tensor) => cosFaceLoss(x, w, labels))([embeddings, weights]);
        for (const [gradient, rows] of [
          [dX, embeddings],
          [dW, weights],
        ] as Array<[tf.Tensor, tf.Tensor]>) {
          const along = tf.sum(tf.mul(gradient, rows), 1);
          const lengths = tf.mul(tf.norm(gradient, 2, 1), tf.norm(rows, 2, 1));
          expect((tf.max(tf.sub(tf.abs(along), tf.mul(lengths, 1e-5))).dataSync()[0] as number) <= 1e-7).toBe(true);
        }
      }),
      { numRuns: 50, seed: 2 },
    );
  });

  test('a larger margin never costs less', () => {
    fc.assert(
      fc.property(fc.nat(), float(0, 1), float(0, 1), (seed, a, b) => {
        const { embeddings, weights, labels } = tensorsOf(randomProblem({ batch: 4, classes: 6, dim: 5, seed }));
        const [small, large] = [Math.min(a, b), Math.max(a, b)].map(
          (margin) => cosFaceLoss(embeddings, weights, labels, { scale: 16, margin }).dataSync()[0] as number,
        ) as [number, number];
        expect(large).toBeGreaterThanOrEqual(small * (1 - 1e-6));
      }),
      { numRuns: 50, seed: 3 },
    );
  });
});
