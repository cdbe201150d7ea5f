import { expect, test } from 'vitest';
import { meanGap, sectors } from '../../src/evaluate/circle-gaps.js';

const degrees = (angle: number) => (angle * Math.PI) / 180;

/** Eleven features of each class, a degree apart about its angle, at different distances from the origin. */
function features(middles: readonly number[]): { features: Float32Array; labels: Int32Array } {
  const points = middles.flatMap((middle, label) =>
    Array.from({ length: 11 }, (_, i) => ({ angle: degrees(middle + i - 5), norm: 1 + i, label })),
  );
  return {
    features: Float32Array.from(points.flatMap(({ angle, norm }) => [norm * Math.cos(angle), norm * Math.sin(angle)])),
    labels: Int32Array.from(points, ({ label }) => label),
  };
}

test('sectors in their order on the circle, also across the cut at 180 degrees', () => {
  const { features: points, labels } = features([90, 179, -90]);
  const circle = sectors(points, labels, 1);
  expect(circle.map(({ label }) => label)).toEqual([2, 0, 1]);
  expect(circle[2]?.to).toBeCloseTo(degrees(184), 5);
});

test('the central share leaves the ends out', () => {
  const { features: points, labels } = features([0, 120]);
  const [first] = sectors(points, labels, 0.8);
  expect(first?.from).toBeCloseTo(degrees(-4), 5);
  expect(first?.to).toBeCloseTo(degrees(4), 5);
});

test('the mean gap: the circle less the sectors, over the number of classes', () => {
  const { features: points, labels } = features([90, 179, -90]);
  expect(meanGap(sectors(points, labels, 1))).toBeCloseTo(degrees((360 - 30) / 3), 5);
  const close = features([0, 4]);
  // Overlapping by 6 degrees on one side, 346 apart on the other.
  expect(meanGap(sectors(close.features, close.labels, 1))).toBeCloseTo(degrees((346 - 6) / 2), 5);
});
