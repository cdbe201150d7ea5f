import { InvalidArgumentError } from 'commander';

/** Reads a whole number in [least, most] for an option. */
export function wholeBetween(least: number, most: number): (text: string) => number {
  return wholeNumber({ least, most, range: `from ${least} to ${most}` });
}

/** Reads a whole number of at least `least`; `most` is beyond what anybody wants, and not worth a word. */
export function wholeFrom(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return wholeNumber({ least, most, range: `of at least ${least}` });
}

function wholeNumber({ least, most, range }: { least: number; most: number; range: string }) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number ${range}.`);
  };
}

/** Reads a finite number above 0 for an option. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}
