import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { randomProblem, relativeError, tensorsOf } from '../problem.js';
import { reference } from '../reference.js';
import { describeNative } from './native-addon.js';

const base = { ...randomProblem({ batch: 4, classes: 3, dim: 3, scale: 16, m3: 0.35 }), labels: [0, 1, 2, 1] };

/** tfjs-cpu 4.22 casts to a higher precision by a new dtype on the old array. */
describeNative.each(['cpu', 'wasm'])('tensors that have been cast on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  test('bool -> float32 as sampleWeights', () => {
    tf.tidy(() => {
      const { embeddings, weights, labels } = tensorsOf(base);
      const sampleWeights = tf.cast(tf.notEqual(labels, 1), 'float32') as tf.Tensor1D;
      const expected = reference({ ...base, sampleWeights: [1, 0, 1, 0] });
      const { value, grads } = tf.valueAndGrads((a: tf.Tensor, b: tf.Tensor) =>
        cosFaceLoss(a, b, labels, { scale: 16, sampleWeights }),
      )([embeddings, weights]);
      expect(relativeError(value.dataSync(), [expected.reducedLoss])).toBeLessThan(1e-5);
      expect(relativeError(grads[1]?.dataSync() ?? [], expected.dWeights.flat())).toBeLessThan(1e-5);
    });
  });

  test('int32 -> float32 as embeddings, and bool -> int32 as labels', () => {
    tf.tidy(() => {
      const { weights } = tensorsOf(base);
      const rows = [
        [1, 2, -3],
        [4, 0, 5],
        [-1, 1, 2],
        [7, -2, 1],
      ];
      const whole = tf.tensor2d(rows, [4, 3], 'int32');
      const labels = tf.cast(tf.tensor1d([0, 1, 1, 0], 'bool'), 'int32');
      const expected = reference({ ...base, embeddings: rows, labels: [0, 1, 1, 0] });
      const loss = cosFaceLoss(tf.cast(whole, 'float32'), weights, labels, { scale: 16 });
      expect(relativeError(loss.dataSync(), [expected.reducedLoss])).toBeLessThan(1e-5);
      expect([...whole.dataSync()], 'the tensor it was cast from').toEqual(rows.flat());
    });
  });
});

describeNative('arrays of the cpu backend', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')));

  test('one whose buffer another thread has taken is named as such', () => {
    const values = Float32Array.from(base.embeddings.flat());
    const { weights, labels, embeddings } = tensorsOf(base);
    const gone = tf.tensor2d(values, [4, 3]);
    structuredClone(values, { transfer: [values.buffer] });
    expect(() => cosFaceLoss(gone, weights, labels)).toThrow(expect.objectContaining({ code: 'COSFACE_DETACHED' }));
    tf.dispose([gone, weights, labels, embeddings]);
  });
});
