import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { BadFiles } from '../../src/data/bad-files.js';
import { epochOrder } from '../../src/data/epoch-order.js';
import { type FaceBatch, type FaceBatchOptions, faceBatches } from '../../src/data/face-batches.js';
import type { FaceSet } from '../../src/data/face-set.js';
import { openIdentityFolders } from '../../src/data/identity-folders.js';
import { ImageCache } from '../../src/data/image-cache.js';
import { OrderedTasks } from '../../src/data/ordered-tasks.js';
import { encoded, madeImage, refusal, temporaryFolder } from './made-images.js';

const jpegs: Uint8Array[] = [];
beforeAll(async () => {
  for (let i = 0; i < 23; i++) jpegs.push(await encoded(madeImage(24, 28, 5 * i)));
});

/** 23 images of four identities in memory; some may be bad, some slow. */
function madeSet({ bad = [], delay = () => 0 }: { bad?: number[]; delay?: (index: number) => number } = {}): FaceSet {
  return {
    size: jpegs.length,
    identities: ['a', 'b', 'c', 'd'],
    labels: Int32Array.from(jpegs, (_, i) => i % 4),
    notes: [],
    nameOf: (index) => `${index}.jpg`,
    read: async (index) => {
      await new Promise((resolve) => setTimeout(resolve, delay(index)));
      return bad.includes(index) ? Buffer.from('no image') : (jpegs[index] as Uint8Array);
    },
    close: async () => {},
  };
}

const SIZE = { width: 24, height: 28, batchSize: 5 };
const EVERYTHING: FaceBatchOptions = {
  ...SIZE,
  order: epochOrder(23, 7, 0),
  seed: 7,
  augmentation: { flip: 0.5, shift: 0.1, rotation: 0.2, contrast: 0.3, blur: { probability: 0.5, sigma: 1 } },
};

async function collect(set: FaceSet, options: FaceBatchOptions): Promise<FaceBatch[]> {
  const batches: FaceBatch[] = [];
  for await (const batch of faceBatches(set, options)) batches.push(batch);
  return batches;
}

const indicesOf = (batches: readonly FaceBatch[]) => batches.flatMap(({ indices }) => [...indices]);

test('every image once, labels beside it, a last batch that is smaller', async () => {
  const batches = await collect(madeSet(), { ...SIZE, threads: 0 });
  expect(batches.map(({ labels }) => labels.length)).toEqual([5, 5, 5, 5, 3]);
  expect(indicesOf(batches)).toEqual(Array.from({ length: 23 }, (_, i) => i));
  expect(batches.flatMap(({ labels }) => [...labels])).toEqual(Array.from({ length: 23 }, (_, i) => i % 4));
  expect(batches[0]?.pixels.length).toBe(5 * 28 * 24 * 3);
  expect((await collect(madeSet(), { ...SIZE, threads: 0, dropLast: true })).length).toBe(4);
});

test('pixels are normalised as the public codes do', async () => {
  const { decodeImage } = await import('../../src/data/decode-image.js');
  const { pixels } = await decodeImage(jpegs[3] as Uint8Array, 'a');
  for (const [normalisation, divisor] of [
    ['cosface', 128],
    ['insightface', 127.5],
  ] as const) {
    const [batch] = await collect(madeSet(), { ...SIZE, threads: 0, batchSize: 1, order: [3], normalisation });
    expect(batch?.pixels).toEqual(Float32Array.from(pixels, (value) => (value - 127.5) * (1 / divisor)));
  }
});

test('bits and order depend on no timing, prefetching, threads or cache', async () => {
  const expected = await collect(madeSet(), { ...EVERYTHING, threads: 0 });
  expect(indicesOf(expected)).toEqual([...epochOrder(23, 7, 0)]);
  const slow = madeSet({ delay: (index) => (index * 7) % 11 });
  const cache = new ImageCache(2 ** 20);
  const ways: FaceBatchOptions[] = [
    { ...EVERYTHING, threads: 0, prefetch: 1 },
    { ...EVERYTHING, threads: 0, prefetch: 9 },
    { ...EVERYTHING, threads: 1 },
    { ...EVERYTHING, threads: 3, cache },
    { ...EVERYTHING, threads: 2, cache },
  ];
  for (const options of ways) expect(await collect(slow, options)).toEqual(expected);
  expect(cache.bytes).toBe(23 * 24 * 28 * 3);
  const other = await collect(madeSet(), { ...EVERYTHING, threads: 0, epoch: 1 });
  expect(indicesOf(other)).toEqual(indicesOf(expected));
  expect(other[0]?.pixels).not.toEqual(expected[0]?.pixels);
});

test('going on from a batch gives the bits of an unbroken run, bad images or not', async () => {
  for (const bad of [[], [3, 4, 17]]) {
    const options = () => ({ ...EVERYTHING, threads: 0, badFiles: new BadFiles('skip') });
    const whole = await collect(madeSet({ bad }), options());
    for (const [at, batch] of whole.entries()) {
      expect(await collect(madeSet({ bad }), { ...options(), start: batch.next })).toEqual(whole.slice(at + 1));
    }
  }
});

describe('bad images', () => {
  test('are named, counted and left out; the next ones fill the batch', async () => {
    const badFiles = new BadFiles('skip');
    const batches = await collect(madeSet({ bad: [0, 6] }), { ...SIZE, threads: 0, badFiles });
    expect(batches.map(({ labels }) => labels.length)).toEqual([5, 5, 5, 5, 1]);
    expect(indicesOf(batches)).not.toContain(6);
    expect(badFiles.count).toBe(2);
    expect(badFiles.summary()).toMatch(/^2 images could not be used:\n {2}COSFACE_IMAGE: 0\.jpg: it begins with/);
    expect(badFiles.summary(1)).toMatch(/and 1 more$/);
    await collect(madeSet({ bad: [0, 6] }), { ...SIZE, threads: 0, badFiles });
    expect(badFiles.count).toBe(2);
  });

  test.each([0, 2])('stop everything where that is asked for (%i threads)', async (threads) => {
    const error = await refusal(collect(madeSet({ bad: [6] }), { ...SIZE, threads }));
    expect([error.code, error.message]).toEqual([
      'COSFACE_IMAGE',
      expect.stringMatching(/^COSFACE_IMAGE: 6\.jpg: it begins/),
    ]);
  });

  test('stop it too where there are too many, or where it is no fault of the data', async () => {
    const some = { ...SIZE, threads: 0, badFiles: new BadFiles('skip', 1) };
    expect((await refusal(collect(madeSet({ bad: [1, 2] }), some))).message).toContain('expected at most 1');
    const set = { ...madeSet(), read: () => Promise.reject(new TypeError('a defect')) };
    const error = await refusal(collect(set, { ...SIZE, threads: 0, badFiles: new BadFiles('skip') }));
    expect(error).toBeInstanceOf(TypeError);
  });
});

test('no more images are held than asked for, and leaving early ends all work', async () => {
  let reads = 0;
  const inner = madeSet();
  const set = {
    ...inner,
    read: (index: number) => {
      reads++;
      return inner.read(index);
    },
  };
  for await (const batch of faceBatches(set, { ...SIZE, batchSize: 2, prefetch: 2, threads: 0 })) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    // Two batches ahead of the one that is held.
    expect(reads).toBe(2 + 4);
    expect(batch.labels.length).toBe(2);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(reads).toBe(6);
});

test('tasks run as many at once as asked for, and come in order', async () => {
  let [running, most] = [0, 0];
  const task = async (at: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, (at * 13) % 7));
    running--;
    return at;
  };
  const tasks = new OrderedTasks(2, 30, task, { running: 3, ahead: 8 });
  const results: number[] = [];
  for (let next = await tasks.take(); next; next = await tasks.take()) results.push(next.value);
  expect(results).toEqual(Array.from({ length: 28 }, (_, i) => i + 2));
  expect(most).toBe(3);
});

test.each([
  [{ batchSize: 0 }, 'batchSize is 0'],
  [{ width: 1.5 }, 'width is 1.5'],
  [{ threads: -1 }, 'threads is -1'],
  [{ augmentation: { flip: 2 } }, 'augmentation.flip is 2'],
])('%j is refused', async (wrong, says) => {
  const error = await refusal(collect(madeSet(), { ...SIZE, threads: 0, ...wrong }));
  expect([error.code, error.message]).toEqual(['COSFACE_OPTION_RANGE', expect.stringContaining(says)]);
});

test('an order is a permutation that seed and epoch decide', () => {
  const order = epochOrder(1000, 1, 0);
  expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(epochOrder(1000, 1, 0)).toEqual(order);
  expect(epochOrder(1000, 1, 1)).not.toEqual(order);
  expect(epochOrder(1000, 2, 0)).not.toEqual(order);
});

test('images of mixed kinds and sizes, one of no bytes, from a folder', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'ann'));
  writeFileSync(join(folder, 'ann', '1.jpg'), jpegs[0] as Uint8Array);
  writeFileSync(join(folder, 'ann', '2.png'), await encoded(madeImage(50, 40), 'png'));
  writeFileSync(join(folder, 'ann', '3.webp'), await encoded(madeImage(9, 9), 'webp'));
  writeFileSync(join(folder, 'ann', '4.pgm'), Buffer.concat([Buffer.from('P5\n4 4\n255\n'), Buffer.alloc(16, 9)]));
  writeFileSync(join(folder, 'ann', '5.jpg'), '');
  const badFiles = new BadFiles('skip');
  const [batch] = await collect(await openIdentityFolders(folder), { ...SIZE, threads: 0, badFiles });
  expect(batch?.indices).toEqual(Int32Array.of(0, 1, 2, 3));
  expect(badFiles.named[0]?.reason).toMatch(/5\.jpg: it is empty/);
});
