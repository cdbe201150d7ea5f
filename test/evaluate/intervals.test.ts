import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  areaInterval,
  normalQuantile,
  studentInterval,
  studentQuantile,
  wilsonInterval,
} from '../../src/evaluate/intervals.js';
import { areaUnderRoc, rocCurve } from '../../src/evaluate/roc.js';

test('quantiles are those of the tables', () => {
  expect(normalQuantile(0.95)).toBeCloseTo(1.959964, 6);
  expect(normalQuantile(0.999)).toBeCloseTo(3.290527, 6);
  for (const [freedom, t] of [
    [1, 12.7062],
    [2, 4.30265],
    [3, 3.18245],
    [4, 2.77645],
    [9, 2.26216],
    [30, 2.04227],
  ] as const)
    expect(studentQuantile(freedom, 0.95)).toBeCloseTo(t, 4);
});

test('Student: mean +- t errors, within [0, 1]', () => {
  // Mean 0.8, standard deviation 0.1, error 0.1 / sqrt(3); t with 2 degrees of freedom.
  const around = studentInterval([0.7, 0.8, 0.9], 0.95)!;
  expect(around.low).toBeCloseTo(0.8 - (4.30265 * 0.1) / Math.sqrt(3), 5);
  expect(around.high).toBe(1);
  expect(studentInterval([0.5], 0.95)).toBeUndefined();
});

test('Wilson: 8 of 10, none and all', () => {
  const around = wilsonInterval(8, 10, 0.95);
  expect(around.low).toBeCloseTo(0.490162, 6);
  expect(around.high).toBeCloseTo(0.943318, 6);
  expect(wilsonInterval(0, 10, 0.95)).toMatchObject({ low: 0, high: expect.closeTo(0.277533, 6) });
  expect(wilsonInterval(10, 10, 0.95).high).toBeCloseTo(1, 12);
});

describe('DeLong', () => {
  test('the variance of the placements, formed pair by pair', () => {
    const score = fc.integer({ min: 0, max: 9 });
    const kinds = fc.tuple(
      fc.array(score, { minLength: 2, maxLength: 12 }),
      fc.array(score, { minLength: 2, maxLength: 12 }),
    );
    fc.assert(
      fc.property(kinds, ([genuine, impostor]) => {
        const curve = rocCurve([...genuine, ...impostor], [...genuine.map(() => 1), ...impostor.map(() => 0)]);
        const area = areaUnderRoc(curve);
        const wins = (a: number, b: number): number => (a > b ? 1 : a === b ? 0.5 : 0);
        const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
        const variance = (values: number[]) =>
          values.reduce((sum, value) => sum + (value - area) ** 2, 0) / (values.length - 1) / values.length;
        const error = Math.sqrt(
          variance(genuine.map((a) => mean(impostor.map((b) => wins(a, b))))) +
            variance(impostor.map((b) => mean(genuine.map((a) => wins(a, b))))),
        );
        const found = areaInterval(curve, { genuine: genuine.length, impostor: impostor.length }, 0.95)!;
        expect(found.low).toBeCloseTo(Math.max(0, area - 1.959964 * error), 5);
        expect(found.high).toBeCloseTo(Math.min(1, area + 1.959964 * error), 5);
      }),
    );
  });
});
