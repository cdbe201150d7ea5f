import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DIGIT_PIXELS, readDigits } from '../../src/data/digits.js';

test('ten thousand real digits, every one with ink and paper', () => {
  const digits = readDigits();
  expect(digits.map((images) => images.length)).toEqual([1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
  const images = digits.flat();
  expect(images.length).toBe(10_000);
  expect(images.every((image) => image.length === DIGIT_PIXELS)).toBe(true);
  expect(images.every((image) => image.some((value) => value > 0.5) && image.some((value) => value === 0))).toBe(true);
  // A one has less ink than a nought.
  const ink = (image: Float32Array) => image.reduce((sum, value) => sum + value, 0);
  const meanInk = (digit: number) =>
    (digits[digit] ?? []).map(ink).reduce((a, b) => a + b, 0) / (digits[digit]?.length ?? 0);
  expect(meanInk(1)).toBeLessThan(0.6 * meanInk(0));
});

describe('a file that is not as it should be', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cosface-digits-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const blank = new Array(DIGIT_PIXELS).fill(0);

  test.each([
    { name: 'cut off', text: '{ "data": [0,', says: 'JSON' },
    { name: 'of another form', text: '[0, 0]', says: "no array 'data'" },
    { name: 'half an image', text: JSON.stringify({ data: [...blank, 0] }), says: '785 values' },
    { name: 'empty', text: '{ "data": [] }', says: '0 values' },
    { name: 'bytes', text: JSON.stringify({ data: [...blank.slice(1), 255] }), says: 'data[783] is 255' },
    { name: 'not a number', text: JSON.stringify({ data: [null, ...blank.slice(1)] }), says: 'data[0] is null' },
  ])('$name', ({ text, says }) => {
    writeFileSync(join(folder, '0.json'), text);
    expect(() => readDigits(folder)).toThrow(says);
    expect(() => readDigits(folder)).toThrow(/^COSFACE_DATA: .*0\.json cannot be used/);
  });
});
