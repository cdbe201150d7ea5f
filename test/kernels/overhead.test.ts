import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { randomProblem, tensorsOf } from '../problem.js';
import { describeNative } from './native-addon.js';

/** The best round's median of the time of one call, in microseconds: other work on the machine only ever adds. */
function microseconds(call: () => void): number {
  const rounds = Array.from({ length: 15 }, () => {
    const times = Array.from({ length: 400 }, () => {
      const start = process.hrtime.bigint();
      call();
      return Number(process.hrtime.bigint() - start) / 1000;
    });
    return times.sort((a, b) => a - b)[200] as number;
  });
  return Math.min(...rounds);
}

describeNative('the cost of a call', () => {
  test('a tiny cosFaceLoss on cpu takes less than 20 microseconds', async () => {
    await tf.setBackend('cpu');
    const { embeddings, weights, labels } = tensorsOf(randomProblem({ batch: 4, classes: 3, dim: 8 }));
    const loss = microseconds(() => cosFaceLoss(embeddings, weights, labels, { scale: 64, margin: 0.35 }).dispose());
    const gradients = microseconds(() => {
      tf.dispose(tf.grads((x: tf.Tensor, w: tf.Tensor) => cosFaceLoss(x, w, labels))([embeddings, weights]));
    });
    console.log(`cosFaceLoss, N 4, C 3, D 8, cpu: ${loss.toFixed(1)} us; with tf.grads ${gradients.toFixed(1)} us`);
    expect(loss).toBeLessThan(20);
    tf.dispose([embeddings, weights, labels]);
  });
});
