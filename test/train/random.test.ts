import { expect, test } from 'vitest';
import { seededRandom, shuffled } from '../../src/train/random.js';

test('a seed gives one sequence, another seed another', () => {
  const draw = (seed: string) => {
    const random = seededRandom(seed);
    return [random(), random(), random()];
  };
  expect(draw('a')).toEqual(draw('a'));
  expect(draw('a')).not.toEqual(draw('b'));
});

test('shuffling keeps every item, leaves its argument alone, and favours no order', () => {
  const random = seededRandom('order');
  const items = [1, 2, 3];
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = shuffled(items, random).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(items).toEqual([1, 2, 3]);
  expect([...counts.keys()].sort()).toEqual(['123', '132', '213', '231', '312', '321']);
  // 1000 expected of each; five standard deviations are 144.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(144);
});
