import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test, vi } from 'vitest';
import { largestMargin, leastScale } from '../../src/loss/bounds.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { normFaceLoss } from '../../src/loss/normface-loss.js';
import '../problem.js';

describe('leastScale', () => {
  test.each([
    [10575, 0.9, 11.46],
    [10575, 0.99, 13.86],
    [10575, 0.999, 16.17],
    [93431, 0.9, 13.64],
    [8, 0.99, 5.72],
  ])('%d classes at posterior %d need %d', (numClasses, posterior, expected) => {
    expect(leastScale({ numClasses, posterior })).toBeCloseTo(expected, 1);
  });

  test('is reached by a simplex: there the posterior at a centre is the one asked for', () => {
    const [numClasses, posterior] = [7, 0.95];
    const s = leastScale({ numClasses, posterior });
    const others = (numClasses - 1) * Math.exp((-s * 1) / (numClasses - 1));
    expect(Math.exp(s) / (Math.exp(s) + others)).toBeCloseTo(posterior, 12);
  });

  test('one class, and a posterior that any scale gives, need none', () => {
    expect(leastScale({ numClasses: 1 })).toBe(0);
    expect(leastScale({ numClasses: 2, posterior: 0.4 })).toBe(0);
  });
});

describe('largestMargin', () => {
  test.each([
    [8, 2, 1 - Math.SQRT1_2],
    [2, 2, 2],
    [3, 2, 1.5],
    [3, 512, 1.5],
    [513, 512, 513 / 512],
    [10575, 512, 10575 / 10574],
    [2, 1, 2],
    [3, 1, 0],
    [1, 512, Number.POSITIVE_INFINITY],
  ])('%d classes in %d dimensions leave %d', (numClasses, dim, expected) => {
    expect(largestMargin({ numClasses, dim })).toBeCloseTo(expected, 12);
  });

  test('is what equal angles leave in two dimensions', () => {
    for (const numClasses of [2, 3, 5, 8, 13]) {
      const neighbour = Math.cos((2 * Math.PI) / numClasses);
      expect(largestMargin({ numClasses, dim: 2 })).toBeCloseTo(1 - neighbour, 12);
    }
  });
});

test.each<[string, object | undefined | null, string]>([
  ['leastScale', undefined, 'numClasses'],
  ['leastScale', null, 'numClasses'],
  ['leastScale', { numClasses: 0 }, 'numClasses'],
  ['leastScale', { numClasses: 2.5 }, 'numClasses'],
  ['leastScale', { numClasses: '8' }, 'numClasses'],
  ['leastScale', { numClasses: 8, posterior: 0 }, 'posterior'],
  ['leastScale', { numClasses: 8, posterior: 1 }, 'posterior'],
  ['leastScale', { numClasses: 1, posterior: Number.NaN }, 'posterior'],
  ['largestMargin', undefined, 'numClasses'],
  ['largestMargin', { numClasses: -1, dim: 2 }, 'numClasses'],
  ['largestMargin', { numClasses: 8 }, 'dim'],
  ['largestMargin', { numClasses: 8, dim: 0 }, 'dim'],
  ['largestMargin', { numClasses: 1, dim: 1.5 }, 'dim'],
])('%s of %j is refused', (name, query, argument) => {
  const bound = { leastScale, largestMargin }[name] as (query: unknown) => number;
  expect(() => bound(query)).toThrow(
    expect.objectContaining({ name: 'CosFaceError', code: 'COSFACE_OPTION_RANGE', argument }),
  );
});

test('options beyond the bounds warn once for each shape, and work', async () => {
  await tf.setBackend('cpu');
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const run = (classes: number, dim: number, options: object) => {
    const loss = tf.tidy(() => cosFaceLoss(tf.ones([2, dim]), tf.ones([classes, dim]), [0, 1], options).dataSync()[0]);
    expect(Number.isFinite(loss)).toBe(true);
  };
  const codes = () => warn.mock.calls.map(([, options]) => (options as { code: string }).code);
  run(8, 2, { margin: 0.29 });
  expect(codes()).toEqual([]);
  run(8, 2, { margin: 0.31 });
  run(8, 2, { margin: 0.31 });
  expect(codes()).toEqual(['COSFACE_MARGIN_BOUND']);
  expect(warn.mock.calls[0]?.[0]).toContain('0.2929');
  run(8, 2, { margin: 0.32, scale: 3 });
  run(8, 2, { margin: 0.33, scale: 2 });
  expect(codes()).toEqual(['COSFACE_MARGIN_BOUND', 'COSFACE_SCALE_BOUND']);
  run(9, 2, { margin: 0.32 });
  expect(codes()).toHaveLength(3);
  run(10575, 2, { margin: 0, scale: 11.5 });
  expect(codes()).toHaveLength(3);
  tf.tidy(() => normFaceLoss(tf.ones([2, 2]), tf.ones([8, 2]), [0, 1]));
  expect(codes()).toHaveLength(3);
  warn.mockRestore();
});
