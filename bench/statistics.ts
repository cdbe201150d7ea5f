/** What a row of a report says about its repeats, in the unit of the samples. */
export interface Spread {
  median: number;
  /** The interquartile range. */
  spread: number;
}

/**
 * Median and interquartile range: a repeat that another process disturbed moves neither.
 *
 * @throws {RangeError} There are no samples.
 */
export function medianAndSpread(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new RangeError('samples is empty, expected at least one repeat.');
  const sorted = samples.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), spread: quantile(sorted, 0.75) - quantile(sorted, 0.25) };
}

/** Linear between the two nearest ranks, as R's type 7 and NumPy's default. */
function quantile(sorted: readonly number[], q: number): number {
  const rank = q * (sorted.length - 1);
  const below = sorted[Math.floor(rank)] as number;
  const above = sorted[Math.ceil(rank)] as number;
  return below + (rank - Math.floor(rank)) * (above - below);
}
