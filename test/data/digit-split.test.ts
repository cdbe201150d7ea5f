import { expect, test } from 'vitest';
import { splitDigits } from '../../src/data/digit-split.js';

/** Ten digits of twenty images, each image holding its digit and its number. */
const digits = Array.from({ length: 10 }, (_, digit) =>
  Array.from({ length: 20 }, (_, number) => Float32Array.of(digit, number)),
);
const names = (images: readonly Float32Array[]) => images.map((image) => [...image].join(':'));

test('unseen digits are in no training image, and no image has two roles', () => {
  const test_ = splitDigits(digits, { unseen: [3, 7] });
  expect(test_.trained).toEqual([0, 1, 2, 4, 5, 6, 8, 9]);
  expect(new Set(test_.train.images.map((image) => image[0]))).toEqual(new Set(test_.trained));
  expect(new Set(test_.strangers.images.map((image) => image[0]))).toEqual(new Set([3, 7]));
  const tune = splitDigits(digits, { unseen: [3, 7], score: 'tune' });
  const all = [test_.train, test_.heldOut, test_.strangers, tune.heldOut, tune.strangers];
  const used = all.flatMap(({ images }) => names(images));
  expect(new Set(used).size).toBe(used.length);
  expect(all.map(({ images }) => images.length)).toEqual([8 * 14, 8 * 3, 2 * 3, 8 * 3, 2 * 3]);
});

test('labels are places among the trained digits; strangers keep their digit', () => {
  const { trained, train, strangers } = splitDigits(digits, { unseen: [0, 9] });
  expect([...train.labels]).toEqual(train.images.map((image) => trained.indexOf(image[0] as number)));
  expect([...strangers.labels]).toEqual(strangers.images.map((image) => image[0]));
});

test('an image keeps its role, whichever digits are unseen or left out', () => {
  const one = splitDigits(digits, { unseen: [0, 1] });
  const other = splitDigits(digits, { unseen: [8, 9], leftOut: [0, 1] });
  const ofFive = ({ images }: { images: Float32Array[] }) => names(images.filter((image) => image[0] === 5));
  expect(other.trained).toEqual([2, 3, 4, 5, 6, 7]);
  expect(ofFive(other.train)).toEqual(ofFive(one.train));
  expect(ofFive(other.heldOut)).toEqual(ofFive(one.heldOut));
});

test('a cap on training images leaves the scored ones alone', () => {
  const full = splitDigits(digits, { unseen: [0, 1] });
  const capped = splitDigits(digits, { unseen: [0, 1], perDigit: 5 });
  expect(capped.train.images.length).toBe(8 * 5);
  expect(names(capped.heldOut.images)).toEqual(names(full.heldOut.images));
});
