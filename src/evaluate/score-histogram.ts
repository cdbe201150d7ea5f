/** How many pairs of each kind have a score within each of equal steps from -1 to 1. */
export interface ScoreHistogram {
  from: -1;
  to: 1;
  /** [bins]; the last includes 1, and rounding may not take a score beyond the ends. */
  genuine: number[];
  impostor: number[];
}

export const HISTOGRAM_BINS = 100;

export function scoreHistogram(scores: Float64Array, same: Uint8Array): ScoreHistogram {
  const counts = [new Array<number>(HISTOGRAM_BINS).fill(0), new Array<number>(HISTOGRAM_BINS).fill(0)] as const;
  scores.forEach((score, i) => {
    const bin = Math.min(HISTOGRAM_BINS - 1, Math.max(0, Math.floor(((score + 1) / 2) * HISTOGRAM_BINS)));
    const of = counts[same[i] ? 1 : 0];
    of[bin] = (of[bin] as number) + 1;
  });
  return { from: -1, to: 1, genuine: counts[1], impostor: counts[0] };
}
