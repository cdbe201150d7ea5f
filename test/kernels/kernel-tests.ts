import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { composedExecutor } from '../../src/loss/composed.js';
import { HARD_PROBLEMS, SCALES, UNSTEADY_PROBLEMS } from '../hard-problems.js';
import { attrsOf, outcomeOf, type ProblemOptions, randomProblem, relativeError, tensorsOf } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';
import { expectExact, registeredKernels } from './expect-exact.js';

const random = (options: Partial<ProblemOptions>) =>
  randomProblem({ batch: 19, classes: 37, dim: 17, m3: 0.35, ...options });

/** What holds for kernels that are registered with `backend`. */
export function testKernels(backend: string): void {
  test.each([
    ['NormFace', { m3: 0 }],
    ['CosFace', {}],
    ['ArcFace', { m3: 0, m2: 0.5 }],
    ['ArcFace, detached', { m3: 0, m2: 0.5, gradient: 'detached' as const }],
    ['SphereFace', { m3: 0, m1: 4 }],
    ['all margins', { m1: 1.3, m2: 0.2, m3: 0.1 }],
    ['sum', { reduction: 'sum' as const }],
    ['none', { reduction: 'none' as const }],
    [
      'none with a loss gradient',
      { reduction: 'none' as const, lossGradient: Array.from({ length: 19 }, (_, i) => i - 7) },
    ],
  ])('%s agrees with the reference', (_, options) => {
    expectExact(random(options));
  });

  test.each(SCALES)('scale %d agrees with the reference', (scale) => {
    for (const classes of [2, 20, 300]) expectExact(random({ scale, classes }));
  });

  test.each(Object.keys(HARD_PROBLEMS))('%s agrees with the reference', (name) => {
    expectExact(HARD_PROBLEMS[name] as ReferenceProblem);
  });

  test.each(Object.keys({ ...HARD_PROBLEMS, ...UNSTEADY_PROBLEMS }))('%s agrees with the composed ops', (name) => {
    const problem = { ...HARD_PROBLEMS, ...UNSTEADY_PROBLEMS }[name] as ReferenceProblem;
    const actual = outcomeOf(registeredKernels, problem);
    const composed = outcomeOf(composedExecutor(), problem);
    // See the bound in test/loss/composed.test.ts for the margins on an angle of 0 or pi.
    const tolerance = name in UNSTEADY_PROBLEMS ? (8 * Math.sin(0.5)) / 1e-4 / 2 ** 24 : 1e-4;
    expect(relativeError(actual.loss, [...composed.loss])).toBeLessThan(1e-4);
    expect(relativeError(actual.dEmbeddings, [...composed.dEmbeddings])).toBeLessThan(tolerance);
    expect(relativeError(actual.dWeights, [...composed.dWeights])).toBeLessThan(tolerance);
  });

  test('no samples: loss 0, gradients 0', () => {
    const { loss, dWeights } = outcomeOf(registeredKernels, randomProblem({ batch: 0, classes: 3, dim: 4 }));
    expect([...loss]).toEqual([0]);
    expect([...dWeights]).toEqual(new Array(12).fill(0));
  });

  test.each(['mean', 'sum'] as const)('MarginSoftmaxGrad scales the gradient of the %s', (reduction) => {
    const problem = random({ reduction, sampleWeights: Array.from({ length: 19 }, (_, i) => i % 3), ignoreLabel: 4 });
    const expected = reference(problem);
    tf.tidy(() => {
      const tensors = tensorsOf(problem);
      const [dEmbeddings, dWeights] = registeredKernels.marginSoftmaxGrad(tensors, tf.scalar(-2.5), attrsOf(problem));
      const scaled = (rows: number[][]) => rows.flat().map((g) => -2.5 * g);
      expect(relativeError(dEmbeddings?.dataSync() ?? [], scaled(expected.dEmbeddings))).toBeLessThan(1e-5);
      expect(relativeError(dWeights?.dataSync() ?? [], scaled(expected.dWeights))).toBeLessThan(1e-5);
    });
  });

  test('a tensor that another backend holds is moved, not misread', async () => {
    const problem = random({});
    const tensors = tensorsOf(problem);
    await tf.setBackend(backend === 'cpu' ? 'wasm' : 'cpu');
    const elsewhere = tf.tensor1d(problem.labels, 'int32');
    await tf.setBackend(backend);
    const outputs = registeredKernels.marginSoftmax(
      { ...tensors, labels: elsewhere },
      { ...attrsOf(problem), withGradients: false },
    );
    expect(relativeError(outputs[0]?.dataSync() ?? [], [reference(problem).reducedLoss])).toBeLessThan(2e-6);
    tf.dispose([tensors, elsewhere, outputs]);
  });

  test.each([
    ['precision', 'fp16'],
    ['gradientTolerance', 1],
  ])('%s reaches the binary, from both kernels', (argument, value) => {
    const problem = random({});
    const attrs = { ...attrsOf(problem), withGradients: true, [argument]: value };
    tf.tidy(() => {
      const refused = expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument });
      expect(() => registeredKernels.marginSoftmax(tensorsOf(problem), attrs)).toThrow(refused);
      expect(() => registeredKernels.marginSoftmaxGrad(tensorsOf(problem), tf.scalar(1), attrs)).toThrow(refused);
    });
  });

  test('a failing call gives its outputs back', () => {
    const problem = { ...random({}), labels: new Array(19).fill(37) };
    const tensors = tensorsOf(problem);
    const before = { ids: tf.backend().numDataIds(), ...tf.memory() };
    for (let i = 0; i < 100; i++) {
      expect(() => registeredKernels.marginSoftmax(tensors, { ...attrsOf(problem), withGradients: true })).toThrow(
        expect.objectContaining({ code: 'COSFACE_LABEL_RANGE', argument: 'labels', index: 0 }),
      );
    }
    expect(tf.backend().numDataIds()).toBe(before.ids);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    tf.dispose(tensors);
  });
}
