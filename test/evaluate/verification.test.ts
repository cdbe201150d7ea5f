import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestThreshold, crossValidatedAccuracy } from '../../src/evaluate/verification.js';

function rightAt(scores: number[], same: number[], threshold: number): number {
  return scores.filter((score, i) => score >= threshold === (same[i] === 1)).length;
}

describe('bestThreshold', () => {
  test.each([
    { name: 'midway between the two sides', scores: [0.9, 0.7, 0.3, 0.1], same: [1, 1, 0, 0], expected: 0.5 },
    { name: 'accept nothing', scores: [0.9, 0.7], same: [0, 0], expected: Number.POSITIVE_INFINITY },
    { name: 'accept everything', scores: [0.9, 0.7], same: [1, 1], expected: Number.NEGATIVE_INFINITY },
    // 1.5 and -Infinity judge 3 of 4 rightly, as 3.5 does: the middle one of the three.
    { name: 'several are best', scores: [4, 3, 2, 1], same: [1, 0, 1, 0], expected: 1.5 },
  ])('$name', ({ scores, same, expected }) => {
    expect(bestThreshold(scores, same)).toBe(expected);
  });

  test('no threshold judges more pairs rightly', () => {
    const pair = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 1 }));
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 25 }), (pairs) => {
        const scores = pairs.map(([score]) => score);
        const same = pairs.map(([, kind]) => kind);
        const most = Math.max(...[...scores, Number.POSITIVE_INFINITY].map((t) => rightAt(scores, same, t)));
        expect(rightAt(scores, same, bestThreshold(scores, same))).toBe(most);
      }),
    );
  });
});

describe('crossValidatedAccuracy', () => {
  test('each fold is judged by the others: worked by hand', () => {
    // Fold 0 alone would choose 0.55 and be perfect; the others separate at 0.25, which fails one of its two pairs.
    const scores = [0.6, 0.5, 0.4, 0.1, 0.4, 0.1];
    const same = [1, 0, 1, 0, 1, 0];
    const result = crossValidatedAccuracy(scores, same, [0, 0, 1, 1, 2, 2]);
    expect(result.folds.map(({ accuracy }) => accuracy)).toEqual([0.5, 1, 1]);
    expect(result.folds[0]?.threshold).toBe(0.25);
    expect(result.mean).toBeCloseTo(2.5 / 3, 12);
    // Standard deviation of 0.5, 1, 1 is sqrt(1 / 12); over sqrt(3) that is 1 / 6.
    expect(result.standardError).toBeCloseTo(1 / 6, 12);
  });

  test('a fold has no say in its own threshold', () => {
    const scores = [0.6, 0.5, 0.4, 0.1, 0.4, 0.1];
    const same = [1, 0, 1, 0, 1, 0];
    const folds = [0, 0, 1, 1, 2, 2];
    const turned = crossValidatedAccuracy(scores, [0, 1, ...same.slice(2)], folds);
    expect(turned.folds[0]?.threshold).toBe(crossValidatedAccuracy(scores, same, folds).folds[0]?.threshold);
  });

  test('what it cannot judge', () => {
    expect(() => crossValidatedAccuracy([1, 2], [1, 0], [0, 0])).toThrow('1 fold');
    expect(() => crossValidatedAccuracy([1, 2], [1], [0, 1])).toThrow('2 scores, 1 answers and 2 folds');
  });
});
