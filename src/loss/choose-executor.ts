import { engine, getBackend } from '@tensorflow/tfjs-core';
import { MarginSoftmax, MarginSoftmaxGrad } from '../kernels/kernel-names.js';
import type { MarginSoftmaxExecutor } from '../kernels/margin-softmax-gradient.js';
import { registerKernels } from '../kernels/register.js';
import { composedExecutor } from './composed.js';

const composed = composedExecutor();

const registered: MarginSoftmaxExecutor = {
  marginSoftmax: (tensors, attrs) => engine().runKernel(MarginSoftmax, tensors, attrs),
  marginSoftmaxGrad: (tensors, lossGradient, attrs) =>
    engine().runKernel(MarginSoftmaxGrad, { ...tensors, lossGradient }, attrs),
};

/** The native kernels of the current backend, or the composed ops where it has none. */
export function chooseExecutor(): MarginSoftmaxExecutor {
  return registerKernels(getBackend()) ? registered : composed;
}
