import { expect, test } from 'vitest';
import { countAbove, impostorThresholds, impostorThresholdsAsync } from '../../src/native/index.js';
import { refusal } from './refusal.js';
import { labelsOf, normalRows, wholeRows } from './search-data.js';
import { allPairs } from './search-reference.js';

const rates = [0.1, 0, 1, 0.01, 1e-6];
const faces = { queries: wholeRows(60, 7, 1), queryLabels: labelsOf(60, 5, 2), dim: 7 };

/** Of falling scores, how many may be accepted. */
function accepted(pairs: number, rate: number): number {
  let most = 0;
  while (most < pairs && (most + 1) / pairs <= rate) most++;
  return most;
}

test('the least thresholds that keep the rates, by cosines in double precision', () => {
  const { queries, queryLabels, dim } = faces;
  const gallery = wholeRows(80, 7, 3);
  const galleryLabels = labelsOf(80, 5, 4);
  for (const given of [{ gallery, galleryLabels }, {}]) {
    const labels = given.galleryLabels ?? queryLabels;
    const impostors = allPairs(queries, given.gallery, dim)
      .filter(({ query, row }) => queryLabels[query] !== labels[row])
      .map(({ cosine }) => cosine)
      .sort((a, b) => b - a);
    const { thresholds, pairs } = impostorThresholds({ ...faces, ...given, falseAcceptRates: rates });
    expect(pairs).toBe(impostors.length);
    const { impostor } = countAbove({ ...faces, ...given, thresholds });
    rates.forEach((rate, n) => {
      const most = accepted(pairs, rate);
      expect(impostor.counts[n]).toBe(impostors.filter((cosine) => cosine >= thresholds[n]!).length);
      expect(impostor.counts[n]).toBeLessThanOrEqual(most);
      const next = most < pairs ? impostors[most]! : -1;
      expect(thresholds[n]! - next).toBeGreaterThanOrEqual(most < pairs ? Number.MIN_VALUE : 0);
      expect(thresholds[n]! - next).toBeLessThan(3e-16);
    });
  }
});

test('the example of its docs', () => {
  const four = {
    queries: Float32Array.of(1, 0, 0.9, 0.1, 0, 1, 0.6, 0.6),
    queryLabels: Int32Array.of(7, 7, 8, 8),
    dim: 2,
  };
  const { thresholds, pairs } = impostorThresholds({ ...four, falseAcceptRates: [0.25] });
  expect(pairs).toBe(4);
  const { genuine, impostor } = countAbove({ ...four, thresholds });
  expect(impostor).toEqual({ counts: Float64Array.of(1), pairs: 4 });
  expect(genuine).toEqual({ counts: Float64Array.of(1), pairs: 2 });
});

test('threads, budget and the async form change nothing', async () => {
  const options = {
    queries: normalRows(300, 30, 5),
    queryLabels: labelsOf(300, 12, 6),
    dim: 30,
    falseAcceptRates: rates,
  };
  const one = impostorThresholds({ ...options, threads: 1 });
  for (const change of [{ threads: 3 }, { workspaceBytes: 0 }])
    expect(impostorThresholds({ ...options, ...change })).toEqual(one);
  expect(await impostorThresholdsAsync(options)).toEqual(one);
});

test.each([
  { name: 'no rates', change: { falseAcceptRates: [] }, code: 'COSFACE_SHAPE', says: 'falseAcceptRates' },
  {
    name: 'a rate above 1',
    change: { falseAcceptRates: [0.5, 1.5] },
    code: 'COSFACE_OPTION_RANGE',
    says: '[1] is 1.5',
  },
  {
    name: 'a rate of NaN',
    change: { falseAcceptRates: [Number.NaN] },
    code: 'COSFACE_OPTION_RANGE',
    says: '[0] is nan',
  },
  {
    name: 'one identity',
    change: { queryLabels: new Int32Array(60) },
    code: 'COSFACE_SHAPE',
    says: 'no impostor pair',
  },
])('$name is an error', async ({ change, code, says }) => {
  const options = { ...faces, falseAcceptRates: rates, ...change };
  const error = await refusal(impostorThresholds, impostorThresholdsAsync, options);
  expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
});
