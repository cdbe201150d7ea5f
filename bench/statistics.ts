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
  const [lower, median, upper] = quantiles(samples, [0.25, 0.5, 0.75]) as [number, number, number];
  return { median, spread: upper - lower };
}

/**
 * The values below which these shares of the samples lie: linear between the two nearest ranks, as R's type 7 and
 * NumPy's default.
 *
 * @throws {RangeError} There are no samples.
 */
export function quantiles(samples: readonly number[], shares: readonly number[]): number[] {
  if (samples.length === 0) throw new RangeError('samples is empty, expected at least one repeat.');
  const sorted = samples.toSorted((a, b) => a - b);
  return shares.map((share) => {
    const rank = share * (sorted.length - 1);
    const below = sorted[Math.floor(rank)] as number;
    const above = sorted[Math.ceil(rank)] as number;
    return below + (rank - Math.floor(rank)) * (above - below);
  });
}
