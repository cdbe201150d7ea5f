import { describe, expect, test } from 'vitest';
import type { Pairs } from '../../src/evaluate/cosine-pairs.js';
import { cosFacePytorchVariant, insightFaceVariant, sphereFaceVariant } from '../../src/evaluate/public-variants.js';
import { seededRandom } from '../../src/train/random.js';

const DIM = 3;

/** Pairs in 4 folds, features with a mean far from 0, so that subtracting it matters. */
function problem(seed: string) {
  const random = seededRandom(seed);
  const count = 48;
  const values = Float32Array.from({ length: 2 * count * DIM }, () => random() - 0.2);
  const same = Uint8Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 1 : 0));
  // A genuine pair's right feature is near its left one.
  for (let pair = 0; pair < count; pair += 2)
    for (let k = 0; k < DIM; k++)
      values[(2 * pair + 1) * DIM + k] = values[2 * pair * DIM + k]! + 0.5 * (random() - 0.5);
  const pairs: Pairs = {
    left: Int32Array.from({ length: count }, (_, i) => 2 * i),
    right: Int32Array.from({ length: count }, (_, i) => 2 * i + 1),
    same,
    fold: Int32Array.from({ length: count }, (_, i) => Math.floor(i / 12)),
  };
  return { features: { values, rows: 2 * count, dim: DIM, dtype: 'float32' as const }, pairs };
}

type Vector = number[];
const dot = (a: Vector, b: Vector) => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
const norm = (a: Vector) => Math.sqrt(dot(a, a));

/** The scripts as they are written, pair by pair and threshold by threshold. */
function plainly(
  { features, pairs }: ReturnType<typeof problem>,
  rule: {
    score: (a: Vector, b: Vector, mean: Vector) => number;
    thresholds: number[];
    right: (score: number, threshold: number, same: boolean) => boolean;
    choose: (thresholds: number[], rights: number[]) => number;
  },
) {
  const row = (i: number): Vector => [...features.values.subarray(i * DIM, (i + 1) * DIM)];
  return [0, 1, 2, 3].map((fold) => {
    const all = [...pairs.same.keys()];
    const [own, others] = [all.filter((i) => pairs.fold[i] === fold), all.filter((i) => pairs.fold[i] !== fold)];
    const vectors = others.flatMap((i) => [row(pairs.left[i]!), row(pairs.right[i]!)]);
    const mean = [0, 1, 2].map((k) => vectors.reduce((sum, v) => sum + v[k]!, 0) / vectors.length);
    const scores = all.map((i) => rule.score(row(pairs.left[i]!), row(pairs.right[i]!), mean));
    const count = (which: number[], t: number) =>
      which.filter((i) => rule.right(scores[i]!, t, pairs.same[i] === 1)).length;
    const threshold = rule.choose(
      rule.thresholds,
      rule.thresholds.map((t) => count(others, t)),
    );
    return { threshold, accuracy: count(own, threshold) / own.length };
  });
}

describe.each(['one', 'two', 'three'])('against the scripts written plainly, seed %s', (seed) => {
  const given = problem(seed);

  test('SphereFace', () => {
    const expected = plainly(given, {
      score: (a, b, mean) => {
        const [l, r] = [a.map((x, k) => x - mean[k]!), b.map((x, k) => x - mean[k]!)];
        return dot(l, r) / norm(l) / norm(r);
      },
      thresholds: Array.from({ length: 20_001 }, (_, k) => (k - 10_000) / 10_000),
      right: (score, t, same) => (same ? score > t : score < t),
      choose: (thresholds, rights) => {
        const most = Math.max(...rights);
        const best = thresholds.filter((_, k) => rights[k] === most);
        return best.reduce((sum, t) => sum + t, 0) / best.length;
      },
    });
    const { folds, mean } = sphereFaceVariant(given.features, given.pairs);
    folds.forEach(({ threshold, accuracy }, at) => {
      expect(threshold).toBeCloseTo(expected[at]!.threshold, 9);
      expect(accuracy).toBe(expected[at]!.accuracy);
    });
    expect(mean).toBeCloseTo(expected.reduce((sum, { accuracy }) => sum + accuracy, 0) / 4, 12);
  });

  test('CosFace_pytorch', () => {
    const expected = plainly(given, {
      score: (a, b) => dot(a, b) / (norm(a) * norm(b) + 1e-5),
      thresholds: Array.from({ length: 400 }, (_, k) => -1 + 0.005 * k),
      right: (score, t, same) => score > t === same,
      choose: (thresholds, rights) => thresholds[rights.lastIndexOf(Math.max(...rights))]!,
    });
    const { folds } = cosFacePytorchVariant(given.features, given.pairs);
    expect(folds.map(({ threshold, accuracy }) => ({ threshold, accuracy }))).toEqual(expected);
  });

  test('InsightFace, and its TAR at FAR 1e-3', () => {
    const distance = (a: Vector, b: Vector) => {
      const [l, r] = [a.map((x) => x / norm(a)), b.map((x) => x / norm(b))];
      return l.reduce((sum, x, k) => sum + (x - r[k]!) ** 2, 0);
    };
    const expected = plainly(given, {
      score: distance,
      thresholds: Array.from({ length: 400 }, (_, k) => k * 0.01),
      right: (score, t, same) => score < t === same,
      choose: (thresholds, rights) => thresholds[rights.indexOf(Math.max(...rights))]!,
    });
    const { folds, tarAtFar } = insightFaceVariant(given.features, given.pairs);
    expect(folds.map(({ threshold, accuracy }) => ({ threshold, accuracy }))).toEqual(expected);
    expect(tarAtFar!.far).toBe(1e-3);
    // With 18 impostors a rate of 1e-3 means: no threshold reaches the nearest impostor of the other folds.
    expect(tarAtFar!.achievedFar).toBeLessThanOrEqual(1 / 6);
  });
});

test('mean, standard error and deviation of the folds', () => {
  const { features, pairs } = problem('four');
  const { folds, mean, standardError, deviation } = cosFacePytorchVariant(features, pairs);
  const squares = folds.reduce((sum, { accuracy }) => sum + (accuracy - mean) ** 2, 0);
  expect(deviation).toBeCloseTo(Math.sqrt(squares / 4), 12);
  expect(standardError).toBeCloseTo(Math.sqrt(squares / 3) / 2, 12);
});
