import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
// Which registers the gradients.
import '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import { addWasmConvolutionGradients } from '../../src/train/wasm-convolution-gradients.js';
import { speedUpWasmMatMul } from '../../src/train/wasm-mat-mul.js';

interface Case {
  size: [height: number, width: number];
  kernel: [number, number];
  stride: number;
  padding: 'same' | 'valid';
}

const CASES: Case[] = [
  { size: [7, 6], kernel: [3, 3], stride: 1, padding: 'same' },
  { size: [8, 6], kernel: [3, 3], stride: 2, padding: 'same' },
  { size: [7, 5], kernel: [3, 3], stride: 2, padding: 'same' },
  { size: [7, 6], kernel: [3, 2], stride: 2, padding: 'valid' },
  { size: [5, 4], kernel: [1, 1], stride: 1, padding: 'same' },
  { size: [5, 4], kernel: [1, 1], stride: 2, padding: 'same' },
  { size: [4, 3], kernel: [4, 3], stride: 1, padding: 'valid' },
];

async function gradients(backend: string, { size, kernel, stride, padding }: Case, depthwise: boolean) {
  await tf.setBackend(backend);
  return tf.tidy(() => {
    const x = tf.randomNormal([2, ...size, 3], 0, 1, 'float32', 5) as tf.Tensor4D;
    const filter = tf.randomNormal([...kernel, 3, depthwise ? 1 : 4], 0, 1, 'float32', 6) as tf.Tensor4D;
    const run = (a: tf.Tensor, b: tf.Tensor) =>
      depthwise
        ? tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, padding)
        : tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, padding);
    const dy = tf.randomNormal(run(x, filter).shape, 0, 1, 'float32', 7);
    return tf
      .grads(run)([x, filter], dy)
      .map((gradient) => ({ shape: gradient.shape, values: gradient.dataSync() }));
  });
}

test('convolutions on wasm have the gradients that they have on cpu', async () => {
  await tf.setBackend('wasm');
  speedUpWasmMatMul();
  addWasmConvolutionGradients();
  for (const depthwise of [false, true])
    for (const one of CASES) {
      const expected = await gradients('cpu', one, depthwise);
      const found = await gradients('wasm', one, depthwise);
      found.forEach(({ shape, values }, at) => {
        expect(shape).toEqual(expected[at]!.shape);
        const worst = Array.from(values).reduce(
          (most, value, i) => Math.max(most, Math.abs(value - expected[at]!.values[i]!)),
          0,
        );
        expect(worst, `${JSON.stringify(one)} ${depthwise} ${at}`).toBeLessThan(2e-5);
      });
    }
});

test('nothing is left behind', async () => {
  await tf.setBackend('wasm');
  addWasmConvolutionGradients();
  const before = tf.memory().numTensors;
  for (const depthwise of [false, true]) await gradients('wasm', CASES[1]!, depthwise);
  expect(tf.memory().numTensors).toBe(before);
});
