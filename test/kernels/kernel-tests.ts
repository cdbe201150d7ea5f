import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { attrsOf, relativeError, tensorsOf } from '../problem.js';
import { reference } from '../reference.js';
import { registeredKernels } from './expect-exact.js';
import { kernelProblem, testAgreement } from './kernel-agreement.js';

/** What holds for kernels that are registered with `backend`. */
export function testKernels(backend: string): void {
  testAgreement();

  test('a tensor that another backend holds is moved, not misread', async () => {
    const problem = kernelProblem({});
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
    const problem = kernelProblem({});
    const attrs = { ...attrsOf(problem), withGradients: true, [argument]: value };
    tf.tidy(() => {
      const refused = expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument });
      expect(() => registeredKernels.marginSoftmax(tensorsOf(problem), attrs)).toThrow(refused);
      expect(() => registeredKernels.marginSoftmaxGrad(tensorsOf(problem), tf.scalar(1), attrs)).toThrow(refused);
    });
  });

  test('a failing call gives its outputs back', () => {
    const problem = { ...kernelProblem({}), labels: new Array(19).fill(37) };
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
