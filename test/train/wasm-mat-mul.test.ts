import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../src/train/random.js';
import { speedUpWasmMatMul } from '../../src/train/wasm-mat-mul.js';

const random = seededRandom('products');
const randomTensor = (shape: number[]) =>
  tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, () => random() - 0.5),
    shape,
  );

const CASES = [
  { a: [3, 5], b: [5, 7], turnA: false, turnB: false },
  { a: [5, 3], b: [5, 7], turnA: true, turnB: false },
  { a: [3, 5], b: [7, 5], turnA: false, turnB: true },
  { a: [5, 3], b: [7, 5], turnA: true, turnB: true },
  { a: [2, 5, 3], b: [2, 7, 5], turnA: true, turnB: true },
].map((shapes) => ({ ...shapes, left: shapes.a, right: shapes.b }));

beforeAll(async () => {
  await tf.setBackend('wasm');
});

test('gives what the backend gave before, and leaves no tensors behind', () => {
  const tensors = CASES.map(({ left, right }) => [randomTensor(left), randomTensor(right)] as const);
  const products = () =>
    CASES.map(({ turnA, turnB }, i) => {
      const [a, b] = tensors[i] as (typeof tensors)[0];
      const product = tf.matMul(a, b, turnA, turnB);
      const values = [...product.dataSync()];
      const { shape } = product;
      product.dispose();
      return { shape, values: values.map((value) => expect.closeTo(value, 6)), exact: values };
    });
  const before = products();
  speedUpWasmMatMul();
  const bytes = () => (tf.backend() as unknown as { dataIdMap: { numDataIds(): number } }).dataIdMap.numDataIds();
  const held = bytes();
  const after = products();
  expect(after.map(({ shape, exact }) => ({ shape, values: exact }))).toEqual(
    before.map(({ shape, values }) => ({ shape, values })),
  );
  expect(bytes()).toBe(held);
});

test('a transposed product takes about as long as a plain one', () => {
  speedUpWasmMatMul();
  const [a, b] = [randomTensor([256, 256]), randomTensor([256, 256])];
  const fastest = (turn: boolean) => {
    const times = Array.from({ length: 15 }, () => {
      const start = performance.now();
      tf.matMul(a, b, turn, turn).dispose();
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  fastest(true);
  // 12 times without it.
  expect(fastest(true)).toBeLessThan(4 * fastest(false));
});
