import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { composedExecutor } from '../../src/loss/composed.js';
import { HARD_PROBLEMS, UNSTEADY_PROBLEMS } from '../hard-problems.js';
import { attrsOf, outcomeOf, type ProblemOptions, randomProblem, relativeError, tensorsOf } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';
import { testReferenceAgreement } from '../reference-agreement.js';
import { expectExact, registeredKernels } from './expect-exact.js';

/** 19 samples, 37 classes, 17 features; CosFace's margin. */
export function kernelProblem(options: Partial<ProblemOptions> = {}): ReferenceProblem {
  return randomProblem({ batch: 19, classes: 37, dim: 17, m3: 0.35, ...options });
}

/** The kernels registered for the current backend against the reference and the composed operations. */
export function testAgreement(): void {
  const lossGradient = Array.from({ length: 19 }, (_, i) => i - 7);
  testReferenceAgreement({
    expectExact,
    problem: kernelProblem,
    more: [['none with a loss gradient', { reduction: 'none', lossGradient }]],
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
    const empty = randomProblem({ batch: 0, classes: 3, dim: 4 });
    const { loss, dEmbeddings, dWeights } = outcomeOf(registeredKernels, empty);
    expect([...loss]).toEqual([0]);
    expect(dEmbeddings).toHaveLength(0);
    expect([...dWeights]).toEqual(new Array(12).fill(0));
  });

  test.each(['mean', 'sum'] as const)('MarginSoftmaxGrad scales the gradient of the %s', (reduction) => {
    const problem = kernelProblem({
      reduction,
      sampleWeights: Array.from({ length: 19 }, (_, i) => i % 3),
      ignoreLabel: 4,
    });
    const expected = reference(problem);
    tf.tidy(() => {
      const tensors = tensorsOf(problem);
      const [dEmbeddings, dWeights] = registeredKernels.marginSoftmaxGrad(tensors, tf.scalar(-2.5), attrsOf(problem));
      const scaled = (rows: number[][]) => rows.flat().map((g) => -2.5 * g);
      expect(relativeError(dEmbeddings?.dataSync() ?? [], scaled(expected.dEmbeddings))).toBeLessThan(1e-5);
      expect(relativeError(dWeights?.dataSync() ?? [], scaled(expected.dWeights))).toBeLessThan(1e-5);
    });
  });
}
