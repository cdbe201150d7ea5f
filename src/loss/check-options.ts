import { CosFaceError, spell } from '../native/errors.js';
import type { LossOptions, MarginTerm } from './types.js';

/** What a float32 array makes of pi: rounded up. */
const FLOAT_PI = Math.fround(Math.PI);

/** The numbers that an option takes, and how to say so. */
export interface Range {
  holds(value: number): boolean;
  readonly text: string;
}

export const SCALE_RANGE: Range = { holds: (v) => v > 0 && v <= 1e6, text: 'a number in (0, 1000000]' };
export const M1_RANGE: Range = { holds: (v) => v > 0 && v <= 16, text: 'a number in (0, 16]' };
export const M2_RANGE: Range = { holds: (v) => v >= 0 && v <= FLOAT_PI, text: 'an angle in radians in [0, pi]' };
export const M3_RANGE: Range = { holds: (v) => v >= 0 && v <= 2, text: 'a number in [0, 2]' };
/** Margins per sample may be negative, as an adaptive margin can be; common ones may not. */
export const SAMPLE_MARGIN_RANGES: Record<MarginTerm, Range> = {
  m1: M1_RANGE,
  m2: { holds: (v) => Math.abs(v) <= FLOAT_PI, text: 'an angle in radians in [-pi, pi]' },
  m3: { holds: (v) => Math.abs(v) <= 2, text: 'a number in [-2, 2]' },
};
const TOLERANCE_RANGE: Range = { holds: (v) => v >= 0 && v < 1, text: 'a number in [0, 1)' };
/** Numbers that are only a share of something. */
export const SHARE_RANGE: Range = TOLERANCE_RANGE;
export const POSITIVE_RANGE: Range = { holds: (v) => v > 0 && Number.isFinite(v), text: 'a finite number above 0' };
export const NONNEGATIVE_RANGE: Range = {
  holds: (v) => v >= 0 && Number.isFinite(v),
  text: 'a finite number of at least 0',
};
/** lambda, and the other factors that the C ABI bounds so. */
export const ANNEALING_RANGE: Range = { holds: (v) => v >= 0 && v <= 1e6, text: 'a number in [0, 1000000]' };
export const COUNT_RANGE: Range = {
  holds: (v) => Number.isSafeInteger(v) && v >= 1,
  text: 'a whole number of at least 1',
};
export const FINITE_RANGE: Range = { holds: Number.isFinite, text: 'a finite number' };
const INT32_RANGE: Range = { holds: (v) => v === (v | 0), text: 'a whole number in [-2147483648, 2147483647]' };

const COMMON_NAMES: Record<keyof LossOptions, true> = {
  scale: true,
  reduction: true,
  ignoreLabel: true,
  sampleWeights: true,
  sampleMargins: true,
  gradient: true,
  precision: true,
  gradientTolerance: true,
};

/** The option names of a loss: the common ones and its own. */
export function optionNames(...own: string[]): ReadonlySet<string> {
  return new Set([...own, ...Object.keys(COMMON_NAMES)]);
}

/** Throws COSFACE_OPTION_RANGE for a name that is not in `known`: a misspelt option would silently do nothing. */
export function checkOptionNames(options: object, known: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new CosFaceError('COSFACE_OPTION_RANGE', `options is ${spell(options)}, expected an object.`, {
      argument: 'options',
    });
  }
  for (const name in options) {
    if (known.has(name)) continue;
    throw new CosFaceError(
      'COSFACE_OPTION_RANGE',
      `${name} is not an option here; known are ${[...known].join(', ')}. Correct the name or remove it.`,
      { argument: name },
    );
  }
}

/** Throws COSFACE_OPTION_RANGE unless `value` is a number in `range`; returns it. */
export function checkNumber(name: string, value: number, range: Range): number {
  if (typeof value === 'number' && range.holds(value)) return value;
  throw outOfRange(name, value, range.text);
}

/** Throws COSFACE_OPTION_RANGE unless `value` is one of `choices`; returns it. */
export function checkChoice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  throw outOfRange(name, value, `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`);
}

const REDUCTIONS = ['mean', 'sum', 'none'] as const;
const GRADIENTS = ['exact', 'detached'] as const;
const PRECISIONS = ['fp32', 'bf16-gradients', 'bf16'] as const;

/** Throws COSFACE_OPTION_RANGE unless `value` is true or false; returns it. */
export function checkBoolean(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw outOfRange(name, value, 'true or false');
}

/** The options common to all losses, checked and with their defaults. */
export interface CheckedOptions {
  scale: number;
  reduction: (typeof REDUCTIONS)[number];
  ignoreLabel: number;
  gradient: (typeof GRADIENTS)[number];
  precision: (typeof PRECISIONS)[number];
  gradientTolerance: number;
}

/** Checks the options common to all losses, apart from the per-sample ones, which need N. */
export function checkCommonOptions(options: LossOptions, defaultScale: number = 64): CheckedOptions {
  return {
    scale: checkNumber('scale', options.scale ?? defaultScale, SCALE_RANGE),
    reduction: checkChoice('reduction', options.reduction ?? 'mean', REDUCTIONS),
    ignoreLabel: checkNumber('ignoreLabel', options.ignoreLabel ?? -1, INT32_RANGE),
    gradient: checkChoice('gradient', options.gradient ?? 'exact', GRADIENTS),
    precision: checkChoice('precision', options.precision ?? 'fp32', PRECISIONS),
    gradientTolerance: checkNumber('gradientTolerance', options.gradientTolerance ?? 0, TOLERANCE_RANGE),
  };
}

export function outOfRange(name: string, value: unknown, requirement: string): CosFaceError {
  return new CosFaceError('COSFACE_OPTION_RANGE', `${name} is ${spell(value)}, expected ${requirement}.`, {
    argument: name,
  });
}
