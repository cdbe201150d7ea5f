import { engine, getBackend, type NamedAttrMap, type Tensor } from '@tensorflow/tfjs-core';
import { MarginSoftmax, MarginSoftmaxGrad } from '../kernels/kernel-names.js';
import type { MarginSoftmaxExecutor } from '../kernels/margin-softmax-gradient.js';
import { registerKernels } from '../kernels/register.js';
import { backendChoice } from '../native/backend-choice.js';
import { CosFaceError } from '../native/errors.js';
import { composedExecutor } from './composed.js';

const composed = composedExecutor();

const registered: MarginSoftmaxExecutor = {
  marginSoftmax: (tensors, attrs) =>
    unlessRefused(
      () => engine().runKernel(MarginSoftmax, tensors, attrs as unknown as NamedAttrMap),
      () => composed.marginSoftmax(tensors, attrs),
    ),
  marginSoftmaxGrad: (tensors, lossGradient, attrs) =>
    unlessRefused(
      () => engine().runKernel(MarginSoftmaxGrad, { ...tensors, lossGradient }, attrs as unknown as NamedAttrMap),
      () => composed.marginSoftmaxGrad(tensors, lossGradient, attrs),
    ),
};

/**
 * The native kernels of the current backend, or the composed ops where it has none. What a native kernel does not compute
 * it refuses itself, before it reads any data; no list is kept here. With COSFACE_BACKEND=native that is an error.
 */
export function chooseExecutor(): MarginSoftmaxExecutor {
  return registerKernels(getBackend()) ? registered : composed;
}

function unlessRefused(native: () => Tensor[], otherwise: () => Tensor[]): Tensor[] {
  try {
    return native();
  } catch (error) {
    const refused = error instanceof CosFaceError && error.code === 'COSFACE_UNSUPPORTED';
    if (!refused || backendChoice() === 'native') throw error;
    return otherwise();
  }
}
