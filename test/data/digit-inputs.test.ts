import { describe, expect, test } from 'vitest';
import { digitInputs, INPUT_SIZE } from '../../src/data/digit-inputs.js';
import { DIGIT_PIXELS, DIGIT_SIDE } from '../../src/data/digits.js';
import { seededRandom } from '../../src/train/random.js';

const still = { rotation: 0, scaling: 0, shear: 0, shift: 0 };

/** A blot of ink, brightest at this place. */
function blot(x: number, y: number): Float32Array {
  return Float32Array.from({ length: DIGIT_PIXELS }, (_, i) => {
    const [dx, dy] = [(i % DIGIT_SIDE) - x, Math.floor(i / DIGIT_SIDE) - y];
    return Math.exp(-(dx * dx + dy * dy) / 8);
  });
}

/** The centre of the ink, in pixels of the full image. */
function centre(input: Float32Array): [x: number, y: number] {
  const total = input.reduce((sum, value) => sum + value, 0);
  const mean = (place: (i: number) => number) => input.reduce((sum, value, i) => sum + value * place(i), 0) / total;
  return [mean((i) => 2 * (i % 14) + 0.5), mean((i) => 2 * Math.floor(i / 14) + 0.5)];
}

test('without a map: the mean of each block of 2 x 2', () => {
  const image = Float32Array.from({ length: DIGIT_PIXELS }, (_, i) => ((i * 37) % 101) / 100);
  const input = digitInputs([image]);
  expect(input.length).toBe(INPUT_SIZE);
  for (const [row, column] of [
    [0, 0],
    [13, 13],
    [4, 9],
  ] as const) {
    const block = [0, 1].flatMap((y) =>
      [0, 1].map((x) => image[(2 * row + y) * DIGIT_SIDE + 2 * column + x] as number),
    );
    expect(input[row * 14 + column]).toBeCloseTo(block.reduce((a, b) => a + b) / 4, 6);
  }
});

describe('a random map', () => {
  /** As if the random source gave 1 for each bound: every change at its largest. */
  const largest = () => 1;

  test.each([
    { name: 'shifts right and down', range: { ...still, shift: 3 }, from: [13.5, 13.5], to: [16.5, 16.5] },
    // About the middle (13.5, 13.5), a quarter turn takes what is right of it above or below it.
    { name: 'turns', range: { ...still, rotation: Math.PI / 2 }, from: [19.5, 13.5], to: [13.5, 7.5] },
    { name: 'grows', range: { ...still, scaling: 0.5 }, from: [17.5, 13.5], to: [19.5, 13.5] },
    { name: 'slants', range: { ...still, shear: 0.5 }, from: [13.5, 17.5], to: [11.5, 17.5] },
  ])('$name', ({ range, from, to }) => {
    const [x, y] = centre(digitInputs([blot(from[0] as number, from[1] as number)], { range, random: largest }));
    expect(x).toBeCloseTo(to[0] as number, 1);
    expect(y).toBeCloseTo(to[1] as number, 1);
  });

  test('is another one for each image, and the same for the same seed', () => {
    const range = { rotation: 0.3, scaling: 0.1, shear: 0.2, shift: 2 };
    const image = blot(10, 15);
    const twice = () => digitInputs([image, image], { range, random: seededRandom('7') });
    const inputs = twice();
    expect(inputs.subarray(0, INPUT_SIZE)).not.toEqual(inputs.subarray(INPUT_SIZE));
    expect(twice()).toEqual(inputs);
  });
});
