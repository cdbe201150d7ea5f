import { expect, test } from 'vitest';
import { type Chart, drawChart } from '../../src/charts/chart.js';

const chart: Chart = {
  ...{ title: 'Time < space & more', x: 'classes', y: 'ms', note: 'somewhere' },
  series: [
    {
      name: 'one',
      kind: 'curve',
      points: [
        [10, 1],
        [1000, 100],
      ],
    },
    {
      name: 'two',
      kind: 'curve',
      points: [
        [10, 1],
        [1000, 101],
      ],
    },
    {
      name: 'bound',
      kind: 'roof',
      points: [
        [10, 5],
        [1000, 5],
      ],
    },
  ],
};

const numbers = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((found) => found.slice(1).map(Number));

test('equal ratios are equal distances, larger is to the right and up', () => {
  const svg = drawChart({
    ...chart,
    series: [
      {
        name: 'dots',
        kind: 'dots',
        points: [
          [10, 1],
          [100, 10],
          [1000, 100],
        ],
      },
    ],
  });
  const [a, b, c] = numbers(svg, /<circle cx="([\d.]+)" cy="([\d.]+)"/g) as Array<[number, number]>;
  expect(b![0] - a![0]).toBeCloseTo(c![0] - b![0], 0);
  expect(a![1] - b![1]).toBeCloseTo(b![1] - c![1], 0);
  expect(b![0]).toBeGreaterThan(a![0]);
  expect(b![1]).toBeLessThan(a![1]);
});

test('a roof has no dots, the text is escaped, every series has its name', () => {
  const svg = drawChart(chart);
  expect(svg.match(/<circle/g)).toHaveLength(4);
  expect(svg).toContain('Time &lt; space &amp; more');
  for (const name of ['one', 'two', 'bound', 'classes', 'ms', 'somewhere']) expect(svg).toContain(`>${name}</text>`);
});

test('names whose curves end together lie apart, in the order of the curves', () => {
  const svg = drawChart(chart);
  const heights = ['two', 'one', 'bound'].map(
    (name) => (numbers(svg, new RegExp(`<text x="[\\d.]+" y="([\\d.]+)"[^>]*>${name}</text>`, 'g'))[0] as [number])[0],
  );
  expect(heights[1]! - heights[0]!).toBeGreaterThanOrEqual(16.9);
  expect(heights[2]! - heights[1]!).toBeGreaterThanOrEqual(16.9);
});

test('the axes end at ticks around the values', () => {
  const ticks = numbers(drawChart(chart), /class="tick" text-anchor="middle">([\d.,]+)</g);
  expect(ticks[0]).toEqual([10]);
  expect(drawChart(chart)).toContain('text-anchor="middle">1,000<');
});

test('linear axes: equal differences are equal distances, ticks are round numbers', () => {
  const svg = drawChart({
    ...chart,
    scales: { x: 'linear', y: 'linear' },
    series: [
      {
        name: 'area',
        kind: 'area',
        points: [
          [-0.97, 0],
          [0.015, 0.5],
          [1, 0.1],
        ],
      },
    ],
  });
  const line = /class="area"[^>]* d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"/.exec(svg)!.slice(1);
  const [x1, , x2, y2, x3] = line.map(Number) as [number, number, number, number, number];
  expect(x2 - x1).toBeCloseTo(x3 - x2, 0);
  const ticks = numbers(svg, /class="tick" text-anchor="middle">([-\d.]+)</g).flat();
  expect(ticks).toEqual([-1, -0.5, 0, 0.5, 1]);
  // An area is named where it is highest.
  expect(svg).toContain(`<path class="leader" d="M${x2 + 5} ${y2}L`);
});
