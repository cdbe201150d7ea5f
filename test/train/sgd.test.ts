import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, test } from 'vitest';
import { gradientNorm, Sgd } from '../../src/train/sgd.js';

beforeAll(() => void tf.setBackend('cpu'));

test('three steps as worked out by hand, with decay, momentum, clipping and a rate of its own', () => {
  const start = [1, -2, 0.5];
  const weight = tf.variable(tf.tensor1d(start));
  const slow = tf.variable(tf.tensor1d(start));
  const optimizer = new Sgd(
    [
      { name: 'a', variable: weight, decays: true },
      { name: 'b', variable: slow, decays: false, rateFactor: 0.5 },
    ],
    { momentum: 0.9, weightDecay: 0.01 },
  );
  const steps = [
    { gradient: [0.1, 0.2, -0.3], rate: 0.1, factor: 1 },
    { gradient: [1, 0, 2], rate: 0.05, factor: 0.25 },
    { gradient: [0, 0, 0], rate: 0.2, factor: 1 },
  ];
  const expected = (decay: number, own: number) => {
    const [w, v] = [[...start], [0, 0, 0]];
    for (const { gradient, rate, factor } of steps)
      gradient.forEach((g, k) => {
        v[k] = 0.9 * v[k]! + g * factor + decay * w[k]!;
        w[k] = w[k]! - rate * own * v[k]!;
      });
    return w;
  };
  const before = tf.memory().numTensors;
  for (const { gradient, ...step } of steps) {
    const pull = tf.tensor1d(gradient);
    optimizer.update([pull, pull], step);
    pull.dispose();
  }
  expect(tf.memory().numTensors).toBe(before);
  for (const [variable, decay, own] of [
    [weight, 0.01, 1],
    [slow, 0, 0.5],
  ] as const)
    expect([...variable.dataSync()]).toEqual(expected(decay, own).map((value) => expect.closeTo(value, 6)));
  expect(optimizer.state).toHaveLength(2);
  optimizer.dispose();
  tf.dispose([weight, slow]);
  expect(tf.memory().numTensors).toBe(before - 4);
});

test('the length of all gradients together, and what is not finite in it', async () => {
  const parts = [tf.tensor1d([3, 0]), tf.tensor2d([[0], [4]])];
  const before = tf.memory().numTensors;
  expect(await gradientNorm(parts)).toBeCloseTo(5, 6);
  expect(await gradientNorm([tf.tensor1d([1, Number.NaN])])).toBeNaN();
  expect(await gradientNorm([...parts, tf.tensor1d([Number.POSITIVE_INFINITY])])).toBe(Number.POSITIVE_INFINITY);
  expect(tf.memory().numTensors).toBe(before + 2);
});
