import { expect, test } from 'vitest';
import { root, runModule } from '../native/built-package.js';
import { describeEmulated, emulatedGpu } from './emulated-gpu.js';

const PROGRAM = `
  import * as tf from '@tensorflow/tfjs-core';
  import '@tensorflow/tfjs-backend-cpu';
  import { cosFaceLoss } from ${JSON.stringify(`${root}dist/index.js`)};
  import { backendInfo } from ${JSON.stringify(`${root}dist/native/index.js`)};
  await tf.setBackend('cpu');
  const wave = (rows, dim, phase) => tf.tensor2d(Float32Array.from({ length: rows * dim }, (_, k) => Math.sin(k * k + phase)), [rows, dim]);
  const labels = tf.tensor1d([0, 3, 2, 6, 1], 'int32');
  const { value, grads } = tf.valueAndGrads((x, w) => cosFaceLoss(x, w, labels, { scale: 16 }))([wave(5, 8, 1), wave(7, 8, 2)]);
  const { cuda } = backendInfo();
  console.log(JSON.stringify({
    values: [value, ...grads].map((tensor) => Array.from(tensor.dataSync())),
    held: cuda.available ? cuda.memoryBytes - cuda.freeBytes : 0,
  }));
`;

function run(device: string): { values: number[][]; held: number } {
  const { status, stdout, stderr } = runModule(PROGRAM, { ...emulatedGpu, COSFACE_DEVICE: device });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.slice(stdout.indexOf('{')));
}

describeEmulated('cosFaceLoss on the TensorFlow.js backend cpu', () => {
  test('runs on the GPU that COSFACE_DEVICE asks for, loss and gradients', () => {
    const [cpu, cuda] = [run('cpu'), run('cuda')];
    expect(cpu.held).toBe(0);
    expect(cuda.held).toBeGreaterThan(0);
    cuda.values.forEach((values, k) => {
      values.forEach((value, i) => {
        expect(value).toBeCloseTo(cpu.values[k]![i]!, 5);
      });
    });
  });
});
