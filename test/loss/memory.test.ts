import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { marginSoftmax } from '../../src/loss/margin-softmax.js';
import { describeNative } from '../kernels/native-addon.js';
import { randomProblem, tensorsOf } from '../problem.js';

describe.each(['cpu', 'wasm'])('memory on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  const problem = randomProblem({ batch: 4, classes: 6, dim: 5 });
  const perSample = { sampleWeights: [1, 2, 3, 0], sampleMargins: [0.1, 0.2, 0.3, 0.4] };

  /** What `call` leaves behind beyond what it returns, tensors and the backend's own count of buffers. */
  function leftBy(call: (t: ReturnType<typeof tensorsOf>) => tf.TensorContainer): number[] {
    const tensors = tensorsOf(problem);
    const before = { ids: tf.backend().numDataIds(), ...tf.memory() };
    for (let i = 0; i < 25; i++) tf.dispose(call(tensors));
    const after = { ids: tf.backend().numDataIds(), ...tf.memory() };
    tf.dispose(tensors);
    return [
      after.numTensors - before.numTensors,
      after.numDataBuffers - before.numDataBuffers,
      after.numBytes - before.numBytes,
      after.ids - before.ids,
    ];
  }

  test.each<[string, (t: ReturnType<typeof tensorsOf>) => tf.TensorContainer]>([
    ['a loss', ({ embeddings: x, weights: w, labels: y }) => cosFaceLoss(x, w, y)],
    ['a loss from arrays', ({ embeddings: x, weights: w }) => cosFaceLoss(x, w, problem.labels, perSample)],
    ['everything', ({ embeddings: x, weights: w, labels: y }) => ({ ...marginSoftmax(x, w, y, perSample) })],
    ['a tidy', ({ embeddings: x, weights: w, labels: y }) => tf.tidy(() => cosFaceLoss(x, w, y, perSample))],
    [
      'gradients',
      ({ embeddings: x, weights: w, labels: y }) =>
        tf.grads((a: tf.Tensor, b: tf.Tensor) => cosFaceLoss(a, b, y, perSample))([x, w]),
    ],
    [
      'gradients of a loss for each sample',
      ({ embeddings: x, weights: w, labels: y }) =>
        tf.grads((a: tf.Tensor, b: tf.Tensor) => cosFaceLoss(a, b, y, { ...perSample, reduction: 'none' }))([x, w]),
    ],
    [
      'gradients of everything',
      ({ embeddings: x, weights: w }) =>
        tf.grads((a: tf.Tensor, b: tf.Tensor) => marginSoftmax(a, b, problem.labels, perSample).loss)([x, w]),
    ],
    [
      'an error on the tape',
      ({ embeddings: x, weights: w }) => {
        expect(() =>
          tf.grads((a: tf.Tensor, b: tf.Tensor) => cosFaceLoss(a, b, [0, 1, 2, 6], perSample))([x, w]),
        ).toThrow('COSFACE_LABEL_RANGE');
        return [];
      },
    ],
    [
      'a refused gradient',
      ({ embeddings: x, weights: w, labels: y }) => {
        expect(() => tf.grad((a: tf.Tensor) => marginSoftmax(a, w, y).targetCosine)(x)).toThrow('NOT_DIFFERENTIABLE');
        return [];
      },
    ],
  ])('%s leaves nothing behind', (_, call) => {
    expect(leftBy(call)).toEqual([0, 0, 0, 0]);
  });
});

/** The native kernels refuse a loss gradient that is not finite; the composed ops pass it on. */
describeNative.each(['cpu', 'wasm'])('errors on the way back on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  const problem = randomProblem({ batch: 4, classes: 6, dim: 5 });

  test.each(['mean', 'none'] as const)(
    'a backward pass that fails a thousand times leaves no tensor behind: %s',
    (reduction) => {
      const { embeddings: x, weights: w, labels: y } = tensorsOf(problem);
      const nan = tf.scalar(Number.NaN);
      const before = tf.memory().numTensors;
      const gradient = tf.grad((a: tf.Tensor) => tf.sum(tf.mul(cosFaceLoss(a, w, y, { reduction }), nan)));
      for (let i = 0; i < 1000; i++) expect(() => gradient(x)).toThrow('COSFACE_NOT_FINITE');
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([x, w, y, nan]);
    },
  );
});
