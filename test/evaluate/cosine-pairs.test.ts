import { expect, test } from 'vitest';
import { cosineScores, pairsWithinFolds } from '../../src/evaluate/cosine-pairs.js';

test('every pair within a fold, and no sample in two folds', () => {
  const labels = [3, 3, 3, 3, 8, 8, 8, 8];
  const { left, right, same, fold } = pairsWithinFolds(labels, 2);
  const pairs = [...left].map((i, pair) => [i, right[pair], same[pair], fold[pair]]);
  // Fold 0 has the samples 0 2 4 6, fold 1 has 1 3 5 7.
  expect(pairs).toEqual([
    [0, 2, 1, 0],
    [0, 4, 0, 0],
    [0, 6, 0, 0],
    [2, 4, 0, 0],
    [2, 6, 0, 0],
    [4, 6, 1, 0],
    [1, 3, 1, 1],
    [1, 5, 0, 1],
    [1, 7, 0, 1],
    [3, 5, 0, 1],
    [3, 7, 0, 1],
    [5, 7, 1, 1],
  ]);
});

test('cosines of rows of any length, 0 with a zero row', () => {
  const embeddings = Float32Array.of(3, 0, 5, 5, 0, -2, 0, 0);
  const pairs = {
    left: Int32Array.of(0, 0, 1, 2),
    right: Int32Array.of(1, 2, 1, 3),
    same: new Uint8Array(4),
    fold: new Int32Array(4),
  };
  const scores = cosineScores(embeddings, 2, pairs);
  [Math.SQRT1_2, 0, 1, 0].forEach((expected, pair) => {
    expect(scores[pair]).toBeCloseTo(expected, 12);
  });
});
