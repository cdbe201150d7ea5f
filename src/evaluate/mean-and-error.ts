export interface MeanAndError {
  mean: number;
  /** Standard error of the mean: the standard deviation (n - 1) over sqrt(n); 0 for a single value. */
  standardError: number;
}

/** @throws {RangeError} If there are no values. */
export function meanAndError(values: readonly number[]): MeanAndError {
  const { length } = values;
  if (length === 0) throw new RangeError('no values; a mean needs at least one');
  const mean = values.reduce((sum, value) => sum + value, 0) / length;
  if (length === 1) return { mean, standardError: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt(squares / (length - 1) / length) };
}
