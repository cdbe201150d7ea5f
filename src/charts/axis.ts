/** From values to places in a picture. */
export interface Axis {
  at(value: number): number;
  /** Values to mark, from the least to the largest that the axis has room for. */
  ticks: number[];
}

/** Powers of ten, with 2 and 5 where there is but a decade or two, around the values, which are above 0. */
export function logAxis(values: readonly number[], from: number, to: number): Axis {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const decades = Math.log10(most / least);
  const digits = decades > 2.5 ? [1] : [1, 2, 5];
  const exponents = Array.from({ length: 40 }, (_, k) => k - 20);
  const candidates = exponents.flatMap((exponent) => digits.map((digit) => Number(`${digit}e${exponent}`)));
  const low = candidates.findLast((value) => value <= least) ?? least;
  const high = candidates.find((value) => value >= most && value > low) ?? most;
  const scale = (to - from) / Math.log(high / low);
  return {
    at: (value) => from + scale * Math.log(value / low),
    ticks: candidates.filter((value) => value >= low && value <= high),
  };
}

/** Four to ten multiples of 1, 2 or 5 times a power of ten, around the values. */
export function linearAxis(values: readonly number[], from: number, to: number): Axis {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = most - least || Math.abs(most) || 1;
  const power = 10 ** Math.floor(Math.log10(span));
  const step = [0.1, 0.2, 0.5, 1].map((share) => share * power).find((size) => span / size <= 8) ?? 2 * power;
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  const scale = (to - from) / (last - first);
  return {
    at: (value) => from + scale * (value / step - first),
    // Rounded, since 3 * 0.1 is not 0.3.
    ticks: Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12))),
  };
}
