import { expect, test } from 'vitest';
import { cosineSchedule, learningRates } from '../../src/train/schedule.js';

test('rises in equal steps, is half way down in the middle, and ends near 0', () => {
  const rate = cosineSchedule({ peak: 2, steps: 1000, warmUp: 4 });
  expect([0, 1, 2, 3].map((step) => rate(step) / 2)).toEqual(
    [0.2, 0.4, 0.6, 0.8].map((share) => expect.closeTo(share, 3)),
  );
  expect(rate(500)).toBeCloseTo(1, 12);
  expect(rate(999)).toBeLessThan(1e-5);
  expect(cosineSchedule({ peak: 2, steps: 10 })(0)).toBe(2);
});

test("steps as the paper's: a tenth at each milestone, from that step on", () => {
  const decay = { name: 'step', milestones: [16_000, 24_000, 28_000], factor: 0.1 } as const;
  const rate = learningRates({ peak: 0.1, steps: 30_000, decay });
  expect(rate(15_999)).toBe(0.1);
  expect(rate(16_000)).toBeCloseTo(0.01, 12);
  expect(rate(27_999)).toBeCloseTo(0.001, 12);
  expect(rate(29_999)).toBeCloseTo(0.0001, 12);
});

test('polynomial and constant, with a rise before', () => {
  const rate = learningRates({ peak: 1, steps: 100, decay: { name: 'polynomial', power: 2 }, warmUp: 9 });
  expect(rate(0)).toBeCloseTo(0.1, 12);
  expect(rate(50)).toBeCloseTo(0.25, 12);
  expect(rate(99)).toBeCloseTo(1e-4, 12);
  const flat = learningRates({ peak: 3, steps: 100, decay: { name: 'constant' }, warmUp: 1 });
  expect([flat(0), flat(1), flat(99)]).toEqual([1.5, 3, 3]);
});
