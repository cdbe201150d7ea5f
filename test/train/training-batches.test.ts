import { expect, test } from 'vitest';
import { BadFiles } from '../../src/data/bad-files.js';
import type { FaceSet } from '../../src/data/face-set.js';
import { holdOut, selectIdentities } from '../../src/data/select-identities.js';
import { CosFaceError } from '../../src/native/errors.js';
import { DATA_START, grouped, type TrainingBatch, trainingBatches } from '../../src/train/training-batches.js';
import { encoded, madeImage, refusal } from '../data/made-images.js';

/** One picture many times over; image i is of person i mod `people`. */
async function madeSet(size: number, people: number, bad: readonly number[] = []): Promise<FaceSet> {
  const image = await encoded(madeImage(16, 16), 'png');
  return {
    size,
    identities: Array.from({ length: people }, (_, label) => `p${label}`),
    labels: Int32Array.from({ length: size }, (_, index) => index % people),
    notes: [],
    nameOf: (index) => `image ${index}`,
    read: async (index) => {
      if (bad.includes(index)) throw new CosFaceError('COSFACE_IMAGE', `image ${index}: bad`);
      return image;
    },
    close: async () => {},
  };
}

const options = {
  width: 8,
  height: 8,
  batchSize: 4,
  seed: 1,
  threads: 0,
  imagesPerIdentity: 1,
  augmentation: { shift: 0.2 },
};

async function first(count: number, set: FaceSet, more: object = {}): Promise<TrainingBatch[]> {
  const batches = trainingBatches(set, { ...options, from: DATA_START, ...more });
  const taken: TrainingBatch[] = [];
  for await (const batch of batches) if (taken.push(batch) === count) break;
  return taken;
}

test('every image once in an epoch, in another order each time, across the ends of epochs', async () => {
  const set = await madeSet(10, 5);
  const seen = (await first(10, set)).flatMap(({ indices }) => [...indices]);
  const epochs = [0, 1, 2, 3].map((epoch) => seen.slice(10 * epoch, 10 * epoch + 10));
  for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual([...Array(10).keys()]);
  expect(epochs[0]).not.toEqual(epochs[1]);
});

test('from any batch on, the same bits follow', async () => {
  const set = await madeSet(10, 5, [3]);
  const more = () => ({ badFiles: new BadFiles('skip') });
  const all = await first(9, set, more());
  expect(all.every(({ indices }) => indices.length === 4 && !indices.includes(3))).toBe(true);
  for (const start of [0, 2, 5]) {
    const rest = await first(3, set, { ...more(), from: all[start]!.position });
    expect(rest).toEqual(all.slice(start + 1, start + 4));
  }
});

test('where every image is bad, the most that may be bad ends it', async () => {
  const set = await madeSet(3, 2, [0, 1, 2]);
  const never = first(1, set, { badFiles: new BadFiles('skip', 1), batchSize: 2 });
  expect((await refusal(never)).message).toMatch(/2 images cannot be used, expected at most 1/);
});

test('images of one identity come together, so many at a time', () => {
  const labels = Int32Array.from({ length: 23 }, (_, index) => index % 4);
  const order = Int32Array.from(labels.keys());
  const result = grouped(order, labels, { imagesPerIdentity: 3, seed: 'a' });
  expect([...result].toSorted((a, b) => a - b)).toEqual([...order]);
  expect(grouped(order, labels, { imagesPerIdentity: 3, seed: 'a' })).toEqual(result);
  expect(grouped(order, labels, { imagesPerIdentity: 3, seed: 'b' })).not.toEqual(result);
  const runs: number[] = [];
  let before = -1;
  for (const index of result) {
    if (labels[index] === before) runs[runs.length - 1]!++;
    else runs.push(1);
    before = labels[index] as number;
  }
  // Of 6, 6, 6 and 5 images there are seven groups of three and one of two; neighbours may be of one identity.
  expect(runs.length).toBeLessThanOrEqual(8);
  expect(runs.every((length) => length % 3 !== 1)).toBe(true);
});

test('people held out are nobody that is trained, whatever their number of images', async () => {
  const set = await madeSet(100, 30);
  const { train, held } = holdOut(set, { shares: [0.2, 0.1], minimumImages: 4, seed: 1 });
  const [verification, last] = held as [FaceSet, FaceSet];
  expect([verification.identities.length, last.identities.length]).toEqual([6, 3]);
  const everyone = [train, ...held].flatMap(({ identities }) => identities);
  expect(new Set(everyone).size).toBe(everyone.length);
  // Ten of the thirty have four images.
  expect(train.identities.length).toBeLessThanOrEqual(10);
  for (const part of [train, ...held])
    for (let index = 0; index < part.size; index++) {
      const number = Number(part.nameOf(index).slice(6));
      expect(part.identities[part.labels[index]!]).toBe(`p${number % 30}`);
    }
  const again = holdOut(set, { shares: [0.2, 0.1], minimumImages: 4, seed: 1 });
  expect(again.held[0]!.identities).toEqual(verification.identities);
  expect(holdOut(set, { shares: [0.2, 0.1], minimumImages: 4, seed: 2 }).held[0]!.identities).not.toEqual(
    verification.identities,
  );
  expect(() => holdOut(set, { shares: [0], minimumImages: 5, seed: 1 })).toThrow(
    /COSFACE_DATA: .*0 identities with at least 5 images/,
  );
  expect(selectIdentities(set, () => false).size).toBe(0);
});
