import { expect, test } from 'vitest';
import { cosineSchedule } from '../../src/train/schedule.js';

test('rises in equal steps, is half way down in the middle, and ends near 0', () => {
  const rate = cosineSchedule({ peak: 2, steps: 1000, warmUp: 4 });
  expect([0, 1, 2, 3].map((step) => rate(step) / 2)).toEqual(
    [0.2, 0.4, 0.6, 0.8].map((share) => expect.closeTo(share, 3)),
  );
  expect(rate(500)).toBeCloseTo(1, 12);
  expect(rate(999)).toBeLessThan(1e-5);
  expect(cosineSchedule({ peak: 2, steps: 10 })(0)).toBe(2);
});
