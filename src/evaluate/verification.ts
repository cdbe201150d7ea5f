import { type MeanAndError, meanAndError } from './mean-and-error.js';

export interface FoldResult {
  /** Chosen on the other folds. */
  threshold: number;
  /** The share of this fold's pairs that are judged rightly by that threshold. */
  accuracy: number;
}

export interface VerificationResult extends MeanAndError {
  /** In the order of the fold numbers. */
  folds: FoldResult[];
}

/**
 * Verification accuracy with cross-validated thresholds, as in LFW's View 2: each fold is judged by the threshold that
 * does best on all the others, so that no pair has a say in its own threshold.
 *
 * @param scores - One for each pair, higher for more alike; [P].
 * @param same - 1 for a genuine pair, 0 for an impostor pair; [P].
 * @param folds - The fold of each pair; [P], at least two different whole numbers.
 * @returns The mean of the folds' accuracies, its standard error (standard deviation / sqrt(folds)), and each fold.
 * @throws {RangeError} If the lengths differ or there are fewer than two folds.
 *
 * Source: Huang et al., Labeled Faces in the Wild, 2007, section 3.
 */
export function crossValidatedAccuracy(
  scores: ArrayLike<number>,
  same: ArrayLike<number>,
  folds: ArrayLike<number>,
): VerificationResult {
  if (scores.length !== same.length || scores.length !== folds.length) {
    throw new RangeError(
      `there are ${scores.length} scores, ${same.length} answers and ${folds.length} folds; expected one each for every pair`,
    );
  }
  const names = [...new Set(Array.from(folds))].sort((a, b) => a - b);
  if (names.length < 2) throw new RangeError(`${names.length} fold; a threshold from other folds needs at least two`);
  const order = byFallingScore(scores);
  const results = names.map((name) => {
    const threshold = bestAlong(
      order.filter((pair) => folds[pair] !== name),
      scores,
      same,
    );
    const tested = order.filter((pair) => folds[pair] === name);
    const right = tested.filter((pair) => (scores[pair] as number) >= threshold === Boolean(same[pair]));
    return { threshold, accuracy: right.length / tested.length };
  });
  return { ...meanAndError(results.map(({ accuracy }) => accuracy)), folds: results };
}

/**
 * The threshold, midway between two neighbouring scores, by which most pairs are judged rightly; the middle one if
 * several are best. Infinity means that it is best to accept nothing, -Infinity to accept everything.
 */
export function bestThreshold(scores: ArrayLike<number>, same: ArrayLike<number>): number {
  return bestAlong(byFallingScore(scores), scores, same);
}

function bestAlong(order: Uint32Array, scores: ArrayLike<number>, same: ArrayLike<number>): number {
  // Rightly judged pairs while nothing is accepted, up to a constant.
  let right = 0;
  let most = 0;
  let best = [Number.POSITIVE_INFINITY];
  for (let place = 0; place < order.length; place++) {
    const pair = order[place] as number;
    right += same[pair] ? 1 : -1;
    const score = scores[pair] as number;
    const next = order[place + 1];
    const below = next === undefined ? Number.NEGATIVE_INFINITY : (scores[next] as number);
    if (below === score || right < most) continue;
    if (right > most) best = [];
    most = right;
    best.push(below === Number.NEGATIVE_INFINITY ? below : (score + below) / 2);
  }
  return best[Math.floor(best.length / 2)] as number;
}

function byFallingScore(scores: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: scores.length }, (_, i) => i).sort(
    (i, j) => (scores[j] as number) - (scores[i] as number),
  );
}
