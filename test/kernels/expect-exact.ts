import { engine, type NamedAttrMap } from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { MarginSoftmax, MarginSoftmaxGrad } from '../../src/kernels/kernel-names.js';
import type { MarginSoftmaxExecutor } from '../../src/kernels/margin-softmax-gradient.js';
import { errorsOf, outcomeOf } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';

/** The kernels registered for the backend that is current. */
export const registeredKernels: MarginSoftmaxExecutor = {
  marginSoftmax: (tensors, attrs) => engine().runKernel(MarginSoftmax, tensors, attrs as unknown as NamedAttrMap),
  marginSoftmaxGrad: (tensors, lossGradient, attrs) =>
    engine().runKernel(MarginSoftmaxGrad, { ...tensors, lossGradient }, attrs as unknown as NamedAttrMap),
};

/** Loss within 2e-6, gradients within 1e-5 at s <= 64, in proportion to s beyond. */
export function expectExact(problem: ReferenceProblem): void {
  const outcome = outcomeOf(registeredKernels, problem);
  const expected = reference(problem);
  const { loss, targetCosine, dEmbeddings, dWeights } = errorsOf(outcome, expected, problem.reduction);
  const growth = Math.max(1, problem.scale / 64);
  expect(loss, 'loss').toBeLessThanOrEqual(2e-6 * growth);
  expect(targetCosine, 'targetCosine').toBeLessThanOrEqual(1e-6);
  expect(dEmbeddings, 'dEmbeddings').toBeLessThanOrEqual(1e-5 * growth);
  expect(dWeights, 'dWeights').toBeLessThanOrEqual(1e-5 * growth);
  expect([...outcome.prediction]).toEqual(expected.prediction);
}
