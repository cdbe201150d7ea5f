import { describe, expect, test } from 'vitest';
import { countAbove, countAboveAsync } from '../../src/native/index.js';
import { refusal } from './refusal.js';
import { labelsOf, longestPause, normalRows, wholeRows } from './search-data.js';
import { allPairs } from './search-reference.js';

const THRESHOLDS = [0.5, -1, 0, 1, 0.5, -0.2, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

describe('countAbove against cosines in double precision', () => {
  test.each([
    { queries: 1, gallery: 1, dim: 1 },
    { queries: 9, gallery: 40, dim: 3 },
    { queries: 70, gallery: 150, dim: 20 },
  ])('$queries queries, $gallery rows, $dim features', (shape) => {
    const queries = wholeRows(shape.queries, shape.dim, 1);
    const given = wholeRows(shape.gallery, shape.dim, 2);
    const queryLabels = labelsOf(shape.queries, 4, 3);
    const givenLabels = labelsOf(shape.gallery, 4, 4);
    for (const gallery of [given, undefined]) {
      const galleryLabels = gallery ? givenLabels : undefined;
      const pairs = allPairs(queries, gallery, shape.dim);
      const result = countAbove({
        queries,
        gallery,
        dim: shape.dim,
        thresholds: THRESHOLDS,
        queryLabels,
        galleryLabels,
      });
      const isGenuine = ({ query, row }: { query: number; row: number }) =>
        queryLabels[query] === (galleryLabels ?? queryLabels)[row];
      for (const [counted, expected] of [
        [result.genuine, pairs.filter(isGenuine)],
        [result.impostor, pairs.filter((pair) => !isGenuine(pair))],
      ] as const) {
        expect(counted.pairs).toBe(expected.length);
        expect(Array.from(counted.counts)).toEqual(
          THRESHOLDS.map((threshold) => expected.filter(({ cosine }) => cosine >= threshold).length),
        );
      }
      const unlabelled = countAbove({ queries, gallery, dim: shape.dim, thresholds: THRESHOLDS });
      expect(unlabelled.genuine).toEqual({ counts: new Float64Array(THRESHOLDS.length), pairs: 0 });
      expect(unlabelled.impostor.pairs).toBe(pairs.length);
    }
  });

  test('the example of its docs', () => {
    expect(
      countAbove({
        queries: Float32Array.of(1, 0, 0.9, 0.1, 0, 1),
        queryLabels: Int32Array.of(7, 7, 8),
        dim: 2,
        thresholds: [0.5, -1],
      }),
    ).toEqual({
      genuine: { counts: Float64Array.of(1, 1), pairs: 1 },
      impostor: { counts: Float64Array.of(0, 2), pairs: 2 },
    });
  });
});

describe('countAbove', () => {
  const options = {
    queries: normalRows(200, 40, 1),
    queryLabels: labelsOf(200, 9, 2),
    dim: 40,
    thresholds: [0.1, 0.3],
  };

  test('thresholds may be floats, doubles or plain numbers', () => {
    const expected = countAbove({ ...options, thresholds: [0.125, -0.5] });
    for (const thresholds of [Float32Array.of(0.125, -0.5), Float64Array.of(0.125, -0.5)])
      expect(countAbove({ ...options, thresholds })).toEqual(expected);
  });

  test('depends neither on threads nor on the budget for memory', async () => {
    const one = countAbove({ ...options, threads: 1 });
    for (const change of [{ threads: 2 }, { threads: 8 }, { workspaceBytes: 0 }])
      expect(countAbove({ ...options, ...change })).toEqual(one);
    expect(await countAboveAsync(options)).toEqual(one);
  });

  test('no queries', () => {
    const none = { ...options, queries: new Float32Array(0), queryLabels: new Int32Array(0) };
    expect(countAbove(none).impostor).toEqual({ counts: new Float64Array(2), pairs: 0 });
  });

  test('timers tick while countAboveAsync counts', async () => {
    const queries = normalRows(12_000, 256, 5);
    const { pause, duration } = await longestPause(
      countAboveAsync({ queries, dim: 256, thresholds: [0.2], threads: 1 }),
    );
    expect(duration).toBeGreaterThan(50); // else the job is too small to tell anything
    expect(pause).toBeLessThan(duration / 2);
  });
});

const valid = { queries: wholeRows(4, 3, 1), gallery: wholeRows(5, 3, 2), dim: 3, thresholds: [0.5] };
const ERRORS: { name: string; change: object; code: string; argument: string; index?: number; says: string }[] = [
  { name: 'no thresholds', change: { thresholds: [] }, code: 'COSFACE_SHAPE', argument: 'thresholds', says: 'is 0' },
  {
    name: 'one threshold bare',
    change: { thresholds: 0.5 },
    code: 'COSFACE_DTYPE',
    argument: 'thresholds',
    says: '0.5, expected an array',
  },
  {
    name: 'a threshold as text',
    change: { thresholds: [0, '1'] },
    code: 'COSFACE_DTYPE',
    argument: 'thresholds',
    index: 1,
    says: "thresholds[1] is '1'",
  },
  {
    name: 'a threshold of NaN',
    change: { thresholds: [0, Number.NaN] },
    code: 'COSFACE_NOT_FINITE',
    argument: 'thresholds',
    index: 1,
    says: 'NaN',
  },
  {
    name: 'labels of queries alone',
    change: { queryLabels: new Int32Array(4) },
    code: 'COSFACE_SHAPE',
    argument: 'galleryLabels',
    says: 'both',
  },
  {
    name: 'too few labels',
    change: { queryLabels: new Int32Array(3), galleryLabels: new Int32Array(5) },
    code: 'COSFACE_SHAPE',
    argument: 'queryLabels',
    says: 'expected 4',
  },
  {
    name: 'labels of no gallery',
    change: { gallery: undefined, galleryLabels: new Int32Array(5) },
    code: 'COSFACE_SHAPE',
    argument: 'galleryLabels',
    says: 'there is no gallery',
  },
  {
    name: 'labels as floats',
    change: { queryLabels: new Float32Array(4) },
    code: 'COSFACE_DTYPE',
    argument: 'queryLabels',
    says: 'an Int32Array',
  },
  {
    name: 'an empty gallery',
    change: { gallery: new Float32Array(0) },
    code: 'COSFACE_SHAPE',
    argument: 'gallery',
    says: 'above 0',
  },
  { name: 'k', change: { k: 3 }, code: 'COSFACE_OPTION_RANGE', argument: 'k', says: 'no option of countAbove' },
];

test.each(ERRORS)('$name is an error', async ({ change, code, argument, index, says }) => {
  const error = await refusal(countAbove, countAboveAsync, { ...valid, ...change } as never);
  expect(error).toMatchObject({ code, argument, message: expect.stringContaining(says) });
  expect(error.index).toBe(index);
});
