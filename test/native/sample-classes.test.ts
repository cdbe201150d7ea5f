import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { CosFaceError, type SampleClassesOptions, sampleClasses } from '../../src/native/index.js';

const labels = Int32Array.of(7, 3, 7, 99, 3, 0);

function isRising(ids: Int32Array): boolean {
  return ids.every((id, k) => k === 0 || id > (ids[k - 1] as number));
}

test.each([1, 2, 31, 32, 33, 100, 1000])(
  'of %d classes: the positives, rising, as many as the rate says',
  (numClasses) => {
    for (const rate of [1e-9, 0.1, 0.3, 0.5, 0.51, 0.9, 1])
      for (let step = 0; step < 20; step++) {
        const own = labels.map((y) => y % numClasses);
        const ids = sampleClasses({ labels: own, numClasses, rate, step });
        expect(isRising(ids)).toBe(true);
        expect(ids.at(-1)).toBeLessThan(numClasses);
        expect(ids).toHaveLength(Math.max(new Set(own).size, Math.ceil(rate * numClasses)));
        for (const y of own) expect(ids).toContain(y);
      }
  },
);

test('rate 1 is all classes', () => {
  expect(sampleClasses({ labels, numClasses: 1000, rate: 1 })).toEqual(Int32Array.from({ length: 1000 }, (_, c) => c));
});

test('ignored labels are no positives', () => {
  const ids = sampleClasses({ labels: Int32Array.of(-1, 5, -1), numClasses: 1000, rate: 0.001 });
  expect(ids).toEqual(Int32Array.of(5));
  expect(sampleClasses({ labels: Int32Array.of(9, 5), numClasses: 1000, rate: 0.001, ignoreLabel: 9 })).toEqual(
    Int32Array.of(5),
  );
});

test('no samples: a sample of the classes all the same', () => {
  expect(sampleClasses({ labels: new Int32Array(0), numClasses: 10, rate: 0.3 })).toHaveLength(3);
});

test('the same for the same seed and step, another for another', () => {
  const options = { labels, numClasses: 10_000, rate: 0.1, seed: 3, step: 5 };
  const ids = sampleClasses(options);
  expect(sampleClasses(options)).toEqual(ids);
  for (const change of [{ seed: 4 }, { step: 6 }, { seed: 5, step: 3 }, { seed: -3 }, { step: 2 ** 40 + 5 }])
    expect(sampleClasses({ ...options, ...change })).not.toEqual(ids);
});

// A change here changes what a resumed training does.
test('the classes of a seed, on every machine', () => {
  const digests = [0.1, 0.7].map((rate) =>
    createHash('sha256')
      .update(sampleClasses({ labels, numClasses: 100_000, rate, seed: 2 ** 40 + 1, step: 9 }))
      .digest('hex'),
  );
  expect(digests).toMatchInlineSnapshot(`
    [
      "6d6d89c72339e0525209fe049c0b797bba6b8b5f9de27edc757d0d078da8732b",
      "43806b6c17e989c9d2f7f54b1c26f71da51e759f154eed6cf8e122282efce9c5",
    ]
  `);
});

// Counts of each class over 4000 steps: chi-square of 97 degrees of freedom, beyond 160 once in 50,000.
test.each([0.1, 0.8])('every other class is as likely as the next: rate %d', (rate) => {
  const counts = new Float64Array(100);
  const own = Int32Array.of(7, 3);
  for (let step = 0; step < 4000; step++)
    for (const c of sampleClasses({ labels: own, numClasses: 100, rate, seed: 11, step })) counts[c]!++;
  const chance = (100 * rate - 2) / 98;
  let square = 0;
  for (const [c, count] of counts.entries()) {
    if (own.includes(c)) expect(count).toBe(4000);
    else square += (count - 4000 * chance) ** 2 / (4000 * chance * (1 - chance));
  }
  expect(square).toBeLessThan(160);
  expect(square).toBeGreaterThan(50);
});

test('ten million classes within their bits and the sample', () => {
  const before = process.memoryUsage().arrayBuffers;
  const ids = sampleClasses({ labels, numClasses: 10_000_000, rate: 0.1, seed: 1 });
  expect(ids).toHaveLength(1_000_000);
  expect(isRising(ids)).toBe(true);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1_000_000 + 10_000_000 / 8 + 2 ** 20);
});

const wrong: Array<[string, string, string, Record<string, unknown>]> = [
  ['labels of another kind', 'COSFACE_DTYPE', 'labels', { labels: [1, 2] }],
  ['a label out of range', 'COSFACE_LABEL_RANGE', 'labels', { labels: Int32Array.of(1, 10) }],
  ['a negative label', 'COSFACE_LABEL_RANGE', 'labels', { labels: Int32Array.of(1, -2) }],
  ...[0, 1.5, Number.NaN, 2 ** 31, '5'].map(
    (numClasses) => [`numClasses ${numClasses}`, 'COSFACE_OPTION_RANGE', 'numClasses', { numClasses }] as never,
  ),
  ...[0, -0.1, 1.01, Number.NaN, '0.1'].map(
    (rate) => [`rate ${rate}`, 'COSFACE_OPTION_RANGE', 'rate', { rate }] as never,
  ),
  ...[0.5, 2 ** 53, '1'].map((seed) => [`seed ${seed}`, 'COSFACE_OPTION_RANGE', 'seed', { seed }] as never),
  ...[-1, 0.5, null].map((step) => [`step ${step}`, 'COSFACE_OPTION_RANGE', 'step', { step }] as never),
];

test.each(wrong)('%s is %s', (_, code, argument, change) => {
  const options = { labels: Int32Array.of(1, 2), numClasses: 10, rate: 0.5, ...change } as SampleClassesOptions;
  try {
    sampleClasses(options);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(CosFaceError);
    expect(error).toMatchObject({ code, argument });
  }
});
