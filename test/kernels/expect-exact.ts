import { engine, type NamedAttrMap } from '@tensorflow/tfjs-core';
import { MarginSoftmax, MarginSoftmaxGrad } from '../../src/kernels/kernel-names.js';
import type { MarginSoftmaxExecutor } from '../../src/kernels/margin-softmax-gradient.js';
import type { ReferenceProblem } from '../reference.js';
import { expectAgreement } from '../reference-agreement.js';

/** The kernels registered for the backend that is current. */
export const registeredKernels: MarginSoftmaxExecutor = {
  marginSoftmax: (tensors, attrs) => engine().runKernel(MarginSoftmax, tensors, attrs as unknown as NamedAttrMap),
  marginSoftmaxGrad: (tensors, lossGradient, attrs) =>
    engine().runKernel(MarginSoftmaxGrad, { ...tensors, lossGradient }, attrs as unknown as NamedAttrMap),
};

/** The registered kernels keep the target's cosine in double precision: loss within 2e-6. */
export function expectExact(problem: ReferenceProblem): void {
  expectAgreement(registeredKernels, problem, 2e-6);
}
