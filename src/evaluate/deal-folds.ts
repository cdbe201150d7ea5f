import type { Pairs } from './cosine-pairs.js';

/** As many folds as the protocols of LFW and YouTube Faces have. */
export const USUAL_FOLDS = 10;

/**
 * Folds for a list without: the genuine pairs in as many consecutive parts of nearly one size, and the impostor pairs
 * likewise. Lists are mostly ordered by person, so a person's pairs mostly stay in one fold.
 *
 * @returns `undefined` where there are fewer genuine or impostor pairs than folds.
 */
export function dealFolds(same: Pairs['same'], folds: number = USUAL_FOLDS): Int32Array | undefined {
  const totals = [0, 0];
  for (const kind of same) (totals as [number, number])[kind as 0 | 1]++;
  if (Math.min(...totals) < folds) return undefined;
  const seen = [0, 0] as [number, number];
  return Int32Array.from(same, (kind) => {
    const place = seen[kind as 0 | 1]++;
    return Math.floor((place * folds) / (totals[kind] as number));
  });
}
