import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { composedExecutor } from '../../src/loss/composed.js';
import { UNSTEADY_PROBLEMS } from '../hard-problems.js';
import { errorsOf, outcomeOf, type ProblemOptions, randomProblem, relativeError } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';
import { expectAgreement, testReferenceAgreement } from '../reference-agreement.js';

/**
 * Five times looser in the loss than the native kernels, which keep the target's cosine in double precision: a float32
 * cosine is off by 6e-8, so a logit by s 6e-8, and a confident sample's loss by that relative to itself.
 */
const expectExact = (problem: ReferenceProblem, chunkElements?: number) =>
  expectAgreement(composedExecutor(chunkElements), problem, 1e-5);

const shape = { batch: 9, classes: 21, dim: 7 };
const random = (options: Partial<ProblemOptions>) => randomProblem({ ...shape, m3: 0.35, ...options });

describe.each(['cpu', 'wasm'])('composed ops on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  testReferenceAgreement({
    expectExact,
    problem: random,
    more: [
      ['the largest margins', { m1: 16, m2: Math.PI, m3: 2 }],
      ['none with a loss gradient', { reduction: 'none', lossGradient: [1, -2, 0.5, 0, 3, 1, 1, -1, 2] }],
    ],
  });

  test.each([16777217, 2147483647, -2147483648])(
    '%d is ignored, and its neighbour in float32 is not',
    (ignoreLabel) => {
      const neighbour = ignoreLabel + (ignoreLabel > 0 ? -1 : 1);
      const problem = random({ ignoreLabel });
      problem.labels[4] = ignoreLabel;
      expectExact(problem);
      problem.labels[2] = neighbour;
      expect(() => outcomeOf(composedExecutor(), problem)).toThrow(
        expect.objectContaining({ code: 'COSFACE_LABEL_RANGE', argument: 'labels', index: 2 }),
      );
    },
  );

  test.each(Object.keys(UNSTEADY_PROBLEMS))('%s agrees as far as float32 goes', (name) => {
    const problem = UNSTEADY_PROBLEMS[name] as ReferenceProblem;
    const errors = errorsOf(outcomeOf(composedExecutor(), problem), reference(problem));
    // The slope sin(0.5) / 1e-4 meets a tangent of length 0, off by about eight roundings of 2^-24.
    const bound = (8 * Math.sin(0.5)) / 1e-4 / 2 ** 24;
    expect(errors['loss']).toBeLessThan(1e-5);
    expect(errors['dEmbeddings']).toBeLessThan(bound);
    expect(errors['dWeights']).toBeLessThan(bound);
  });

  test.each([1, 4, 20, 21, 22])('chunks of %d of 21 classes change nothing but rounding', (classes) => {
    const problem = random({ scale: 160 });
    expectExact(problem, classes * shape.batch);
    const whole = outcomeOf(composedExecutor(), problem);
    const chunked = outcomeOf(composedExecutor(classes * shape.batch), problem);
    expect(relativeError(chunked.dWeights, [...whole.dWeights])).toBeLessThan(2e-6);
    expect([...chunked.prediction]).toEqual([...whole.prediction]);
  });

  test('a chunk bound holds: no N x C array is made', async () => {
    const problem = randomProblem({ batch: 16, classes: 4096, dim: 4, m3: 0.35 });
    const profile = await tf.profile(() => {
      outcomeOf(composedExecutor(16 * 64), problem);
      return [];
    });
    const largest = Math.max(...profile.kernels.flatMap((k) => k.outputShapes.map((s) => tf.util.sizeFromShape(s))));
    expect(largest).toBeLessThan(16 * 4096);
  });

  test.each(['bf16-gradients', 'bf16'] as const)('%s and a tolerance are permitted, and change no bit', (precision) => {
    const permitted = random({ precision, gradientTolerance: 0.5 });
    expect(outcomeOf(composedExecutor(), permitted)).toEqual(outcomeOf(composedExecutor(), random({})));
  });

  test('no samples: loss 0, gradients 0', () => {
    for (const reduction of ['mean', 'none'] as const) {
      const problem = randomProblem({ batch: 0, classes: 3, dim: 4, reduction });
      const { loss, dWeights } = outcomeOf(composedExecutor(), problem);
      expect([...loss]).toEqual(reduction === 'mean' ? [0] : []);
      expect([...dWeights]).toEqual(new Array(12).fill(0));
    }
  });

  test.each([
    ['labels', { labels: [0, 21, 0] }, 'COSFACE_LABEL_RANGE', 1],
    ['labels', { labels: [0, 1, -2] }, 'COSFACE_LABEL_RANGE', 2],
    [
      'embeddings',
      {
        embeddings: [
          [1, 2],
          [3, Number.NaN],
          [1, 1],
        ],
      },
      'COSFACE_NOT_FINITE',
      3,
    ],
    [
      'weights',
      { weights: Array.from({ length: 21 }, (_, c) => [1, c === 20 ? Number.POSITIVE_INFINITY : c]) },
      'COSFACE_NOT_FINITE',
      41,
    ],
    ['sampleWeights', { sampleWeights: [1, 1, Number.NEGATIVE_INFINITY] }, 'COSFACE_NOT_FINITE', 2],
    ['sampleMargins', { sampleMargins: [1, 2.5, 0] }, 'COSFACE_MARGIN_RANGE', 1],
    ['sampleMargins', { sampleMargins: [1, 0, 17], sampleMarginTerm: 'm1' as const }, 'COSFACE_MARGIN_RANGE', 1],
    [
      'sampleMargins',
      { sampleMargins: [1, Number.NaN, 0], sampleMarginTerm: 'm2' as const },
      'COSFACE_MARGIN_RANGE',
      1,
    ],
  ])('a bad value in %s is named: %o', (argument, bad, code, index) => {
    const problem = { ...randomProblem({ batch: 3, classes: 21, dim: 2 }), ...bad };
    expect(() => outcomeOf(composedExecutor(), problem)).toThrow(expect.objectContaining({ code, argument, index }));
  });
});
