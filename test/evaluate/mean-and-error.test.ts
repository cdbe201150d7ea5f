import { expect, test } from 'vitest';
import { meanAndError } from '../../src/evaluate/mean-and-error.js';

test('standard deviation over n - 1, divided by the root of n', () => {
  const { mean, standardError } = meanAndError([1, 2, 3, 4]);
  expect(mean).toBe(2.5);
  expect(standardError).toBeCloseTo(Math.sqrt(5 / 3 / 4), 12);
  expect(meanAndError([7])).toEqual({ mean: 7, standardError: 0 });
  expect(() => meanAndError([])).toThrow(RangeError);
});
