import { describe, expect, test } from 'vitest';
import { topK, topKAsync } from '../../src/native/index.js';
import { refusal } from './refusal.js';
import { longestPause, normalRows, wholeRows } from './search-data.js';
import { nearest } from './search-reference.js';

const SHAPES = [
  { queries: 1, gallery: 1, dim: 1 },
  { queries: 3, gallery: 7, dim: 2 },
  { queries: 17, gallery: 130, dim: 33 },
  { queries: 40, gallery: 300, dim: 64 },
];

describe('topK against cosines in double precision', () => {
  test.each(SHAPES)('$queries queries, $gallery rows, $dim features', (shape) => {
    for (const rowsOf of [wholeRows, normalRows]) {
      const queries = rowsOf(shape.queries, shape.dim, 1);
      const gallery = rowsOf(shape.gallery, shape.dim, 2);
      for (const k of new Set([1, Math.min(5, shape.gallery), shape.gallery])) {
        const expected = nearest(queries, gallery, shape.dim, k);
        const { indices, scores } = topK({ queries, gallery, dim: shape.dim, k });
        expect(indices).toEqual(Int32Array.from(expected, ({ row }) => row));
        expect(scores).toEqual(Float32Array.from(expected, ({ cosine }) => cosine));
      }
    }
  });

  test('the example of its docs', () => {
    const { indices, scores } = topK({
      queries: Float32Array.of(1, 0.1),
      gallery: Float32Array.of(0, 1, 2, 0, 1, 1),
      dim: 2,
      k: 2,
    });
    expect(indices).toEqual(Int32Array.of(1, 2));
    expect(Array.from(scores, (score) => score.toFixed(3))).toEqual(['0.995', '0.774']);
  });
});

describe('topK', () => {
  const options = { queries: wholeRows(50, 19, 3), gallery: wholeRows(900, 19, 4), dim: 19, k: 7 };

  test('equal cosines by rising index; rows of zero have cosine 0', () => {
    const gallery = Float32Array.of(0, 0, 3, 0, -1, 0, 1, 0, 0, 0, 2, 0);
    const { indices, scores } = topK({ queries: Float32Array.of(5, 0), gallery, dim: 2, k: 6 });
    expect(indices).toEqual(Int32Array.of(1, 3, 5, 0, 4, 2));
    expect(scores).toEqual(Float32Array.of(1, 1, 1, 0, 0, -1));
  });

  test('depends neither on threads nor on the budget for memory', () => {
    const one = topK({ ...options, threads: 1 });
    for (const threads of [2, 3, 8]) expect(topK({ ...options, threads })).toEqual(one);
    for (const workspaceBytes of [0, 100_000]) expect(topK({ ...options, workspaceBytes })).toEqual(one);
  });

  test('no queries', () => {
    const { indices, scores } = topK({ ...options, queries: new Float32Array(0) });
    expect([indices.length, scores.length]).toEqual([0, 0]);
  });

  test('topKAsync gives the same, whatever is done to the inputs meanwhile', async () => {
    const expected = topK(options);
    expect(await topKAsync(options)).toEqual(expected);
    const busy = Array.from({ length: 4 }, () => topKAsync({ ...options, threads: 1 }));
    const [queries, gallery] = [options.queries.slice(), options.gallery.slice()];
    const promise = topKAsync({ ...options, queries, gallery });
    queries.fill(Number.NaN);
    structuredClone(gallery, { transfer: [gallery.buffer] });
    expect(await promise).toEqual(expected);
    await Promise.all(busy);
  });

  test('timers tick while topKAsync searches', async () => {
    const large = {
      queries: normalRows(4000, 256, 5),
      gallery: normalRows(16_000, 256, 6),
      dim: 256,
      k: 3,
      threads: 1,
    };
    const { pause, duration } = await longestPause(topKAsync(large));
    expect(duration).toBeGreaterThan(50); // else the job is too small to tell anything
    expect(pause).toBeLessThan(duration / 2);
  });
});

const valid = { queries: wholeRows(4, 3, 1), gallery: wholeRows(5, 3, 2), dim: 3, k: 2 };
const withNaN = valid.gallery.slice();
withNaN[7] = Number.NaN;

const ERRORS: { name: string; change: object; code: string; argument: string; index?: number; says: string }[] = [
  {
    name: 'k 0',
    change: { k: 0 },
    code: 'COSFACE_OPTION_RANGE',
    argument: 'k',
    says: 'k is 0, expected a whole number in [1, 5]',
  },
  { name: 'k above G', change: { k: 6 }, code: 'COSFACE_OPTION_RANGE', argument: 'k', says: 'gallery has 5 rows' },
  { name: 'k 1.5', change: { k: 1.5 }, code: 'COSFACE_OPTION_RANGE', argument: 'k', says: '1.5' },
  { name: 'no k', change: { k: undefined }, code: 'COSFACE_OPTION_RANGE', argument: 'k', says: 'k is 0' },
  { name: 'no gallery', change: { gallery: undefined }, code: 'COSFACE_DTYPE', argument: 'gallery', says: 'undefined' },
  {
    name: 'an empty gallery',
    change: { gallery: new Float32Array(0) },
    code: 'COSFACE_SHAPE',
    argument: 'gallery',
    says: 'above 0',
  },
  {
    name: 'a broken row',
    change: { queries: new Float32Array(4) },
    code: 'COSFACE_SHAPE',
    argument: 'queries',
    says: 'a multiple of dim (3)',
  },
  {
    name: 'doubles',
    change: { queries: new Float64Array(3) },
    code: 'COSFACE_DTYPE',
    argument: 'queries',
    says: 'a Float64Array',
  },
  {
    name: 'shared memory',
    change: { queries: new Float32Array(new SharedArrayBuffer(12)) },
    code: 'COSFACE_SHARED_BUFFER',
    argument: 'queries',
    says: 'slice()',
  },
  {
    name: 'NaN',
    change: { gallery: withNaN },
    code: 'COSFACE_NOT_FINITE',
    argument: 'gallery',
    index: 7,
    says: 'gallery[2, 1] is NaN',
  },
  {
    name: 'labels',
    change: { queryLabels: new Int32Array(4) },
    code: 'COSFACE_OPTION_RANGE',
    argument: 'queryLabels',
    says: 'no option of topK',
  },
  { name: 'threads -1', change: { threads: -1 }, code: 'COSFACE_OPTION_RANGE', argument: 'threads', says: '[0, 1024]' },
];

test.each(ERRORS)('$name is an error', async ({ change, code, argument, index, says }) => {
  const error = await refusal(topK, topKAsync, { ...valid, ...change } as never);
  expect(error).toMatchObject({ code, argument, message: expect.stringContaining(says) });
  expect(error.index).toBe(index);
});

test('no options', async () => {
  await expect(topKAsync(undefined as never)).rejects.toMatchObject({ code: 'COSFACE_DTYPE', argument: 'options' });
});
