import { expect, test } from 'vitest';
import { verificationPairs } from '../../src/train/verification-pairs.js';

test('pairs are of one or two people, all different, and no person is in two folds', () => {
  const labels = Int32Array.from({ length: 400 }, (_, index) => (index < 40 ? 0 : index % 90));
  const pairs = verificationPairs(labels, { pairsPerIdentity: 5, seed: 1 });
  const foldOf = new Map<number, number>();
  const seen = new Set<string>();
  const counts = { genuine: 0, folded: 0, all: 0 };
  for (const [at, same] of pairs.same.entries()) {
    const [left, right, fold] = [pairs.left[at]!, pairs.right[at]!, pairs.fold[at]!];
    expect(left).not.toBe(right);
    expect(labels[left] === labels[right]).toBe(same === 1);
    const key = [left, right].toSorted((a, b) => a - b).join();
    expect(seen.has(key)).toBe(false);
    seen.add(key);
    counts.all++;
    if (same) counts.genuine++;
    else if (fold >= 0) counts.folded++;
    if (fold < 0) {
      expect(same).toBe(0);
      continue;
    }
    for (const person of [labels[left]!, labels[right]!]) {
      expect(foldOf.get(person) ?? fold).toBe(fold);
      foldOf.set(person, fold);
    }
  }
  expect(new Set(foldOf.values()).size).toBe(10);
  expect(counts.folded).toBe(counts.genuine);
  expect(counts.all).toBe(11 * counts.genuine);
  const ofFirst = pairs.same.filter((same, at) => same && labels[pairs.left[at]!] === 0).length;
  expect(ofFirst).toBe(5);
});

test('the same seed gives the same pairs, another others', () => {
  const labels = Int32Array.from({ length: 60 }, (_, index) => index % 15);
  const pairs = (seed: number) => verificationPairs(labels, { pairsPerIdentity: 3, seed });
  expect(pairs(1)).toEqual(pairs(1));
  expect(pairs(1)).not.toEqual(pairs(2));
});

test('few people: as many pairs as there are', () => {
  const two = verificationPairs(Int32Array.of(0, 0, 1, 1), { pairsPerIdentity: 9, seed: 1 });
  expect([...two.same].filter(Boolean)).toHaveLength(2);
  expect(two.same).toHaveLength(2 + 4);
  expect(verificationPairs(Int32Array.of(0, 0, 0), { pairsPerIdentity: 9, seed: 1 }).same).toHaveLength(3);
  expect(verificationPairs(Int32Array.of(0, 1, 2), { pairsPerIdentity: 9, seed: 1 }).same).toHaveLength(0);
  expect(verificationPairs(new Int32Array(0), { pairsPerIdentity: 9, seed: 1 }).same).toHaveLength(0);
});
