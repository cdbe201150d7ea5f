import { expect, test } from 'vitest';
import { medianAndSpread } from '../../bench/statistics.js';

test('median and interquartile range are those of R (type 7) and NumPy', () => {
  // numpy.percentile([7, 1, 3, 10], [25, 50, 75]) = [2.5, 5, 7.75]
  expect(medianAndSpread([7, 1, 3, 10])).toEqual({ median: 5, spread: 5.25 });
  expect(medianAndSpread([2, 9, 4])).toEqual({ median: 4, spread: 3.5 });
  expect(medianAndSpread([6])).toEqual({ median: 6, spread: 0 });
});

test('one disturbed repeat moves the median no further than the next repeat', () => {
  expect(medianAndSpread([10, 11, 12, 13, 1000]).median).toBe(12);
});

test('numbers are sorted as numbers and the samples left alone', () => {
  const samples = [100, 20, 3];
  expect(medianAndSpread(samples).median).toBe(20);
  expect(samples).toEqual([100, 20, 3]);
});

test('no samples are an error, not NaN', () => {
  expect(() => medianAndSpread([])).toThrow(RangeError);
});
