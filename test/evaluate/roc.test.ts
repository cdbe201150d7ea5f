import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { areaUnderRoc, equalErrorRate, rocCurve, trueAcceptRateAt } from '../../src/evaluate/roc.js';

/** Few different scores, so that ties are common; at least one pair of each kind. */
const scoredPairs = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 1 })), { maxLength: 30 }),
    fc.integer({ min: 0, max: 9 }),
    fc.integer({ min: 0, max: 9 }),
  )
  .map(([pairs, genuine, impostor]) => [...pairs, [genuine, 1] as const, [impostor, 0] as const])
  .map((pairs) => ({ scores: pairs.map(([score]) => score), same: pairs.map(([, same]) => same) }));

/** By definition: FAR and TAR of 'accept if the score is at least t', counted pair by pair. */
function ratesAt(scores: number[], same: number[], threshold: number): [far: number, tar: number] {
  const of = (kind: number) => scores.filter((_, i) => same[i] === kind);
  const rate = (kind: number) => of(kind).filter((score) => score >= threshold).length / of(kind).length;
  return [rate(0), rate(1)];
}

describe('rocCurve', () => {
  test('a hand-worked case with a tie', () => {
    const curve = rocCurve([0.9, 0.8, 0.8, 0.3], [1, 1, 0, 0]);
    expect([...curve.thresholds]).toEqual([Number.POSITIVE_INFINITY, 0.9, 0.8, 0.3]);
    expect([...curve.falseAccepts]).toEqual([0, 0, 0.5, 1]);
    expect([...curve.trueAccepts]).toEqual([0, 0.5, 1, 1]);
  });

  test('each point is the definition at its threshold', () => {
    fc.assert(
      fc.property(scoredPairs, ({ scores, same }) => {
        const { thresholds, falseAccepts, trueAccepts } = rocCurve(scores, same);
        expect(thresholds.length).toBe(new Set(scores).size + 1);
        thresholds.forEach((threshold, i) => {
          expect([falseAccepts[i], trueAccepts[i]]).toEqual(ratesAt(scores, same, threshold));
        });
      }),
    );
  });

  test('what it cannot judge', () => {
    expect(() => rocCurve([0.5, 0.6], [1, 1])).toThrow('2 genuine and 0 impostor pairs');
    expect(() => rocCurve([0.5], [1, 0])).toThrow('1 scores but 2 answers');
    expect(() => rocCurve([0.5, Number.NaN], [1, 0])).toThrow('scores[1] is NaN');
  });
});

describe('areaUnderRoc', () => {
  test('the chance that a genuine pair scores higher, over all couples of pairs', () => {
    fc.assert(
      fc.property(scoredPairs, ({ scores, same }) => {
        const genuine = scores.filter((_, i) => same[i] === 1);
        const impostors = scores.filter((_, i) => same[i] === 0);
        const wins = genuine.flatMap((a) => impostors.map((b): number => (a > b ? 1 : a === b ? 0.5 : 0)));
        const chance = wins.reduce((sum, win) => sum + win, 0) / wins.length;
        expect(areaUnderRoc(rocCurve(scores, same))).toBeCloseTo(chance, 12);
      }),
    );
  });
});

describe('equalErrorRate', () => {
  test.each([
    { name: 'perfect', scores: [3, 2, 1, 0], same: [1, 1, 0, 0], expected: 0 },
    { name: 'reversed', scores: [3, 2, 1, 0], same: [0, 0, 1, 1], expected: 1 },
    { name: 'one of two wrong on each side', scores: [4, 3, 2, 1], same: [1, 0, 1, 0], expected: 0.5 },
    { name: 'all alike: half way along the one line', scores: [1, 1, 1, 1], same: [1, 0, 1, 0], expected: 0.5 },
    // From (FAR 0, TAR 1/3) straight to (1/2, 1): FAR = 1 - TAR at 2/7.
    { name: 'between two points', scores: [5, 4, 4, 4, 1], same: [1, 1, 1, 0, 0], expected: 2 / 7 },
  ])('$name', ({ scores, same, expected }) => {
    expect(equalErrorRate(rocCurve(scores, same))).toBeCloseTo(expected, 12);
  });

  test('lies between the errors of the two thresholds around it', () => {
    fc.assert(
      fc.property(scoredPairs, ({ scores, same }) => {
        const points = [Number.POSITIVE_INFINITY, ...scores].map((threshold) => ratesAt(scores, same, threshold));
        const rate = equalErrorRate(rocCurve(scores, same));
        const under = points.filter(([far, tar]) => far <= 1 - tar).map(([far]) => far);
        const over = points.filter(([far, tar]) => far >= 1 - tar).map(([far]) => far);
        expect(rate).toBeGreaterThanOrEqual(Math.max(...under) - 1e-12);
        expect(rate).toBeLessThanOrEqual(Math.min(...over) + 1e-12);
      }),
    );
  });
});

describe('trueAcceptRateAt', () => {
  test('the best threshold that keeps to the FAR, without interpolation', () => {
    fc.assert(
      fc.property(scoredPairs, fc.double({ min: 0, max: 1, noNaN: true }), ({ scores, same }, limit) => {
        const points = [Number.POSITIVE_INFINITY, ...scores].map((threshold) => ratesAt(scores, same, threshold));
        const best = Math.max(...points.filter(([far]) => far <= limit).map(([, tar]) => tar));
        expect(trueAcceptRateAt(rocCurve(scores, same), limit)).toBe(best);
      }),
    );
  });
});
