import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeProblem } from '../../bench/loss/problem.js';
import { provideProblem, readProblem } from '../../bench/loss/problem-files.js';
import { SCALE, type TrainingState } from '../../bench/loss/rows.js';
import { quantiles } from '../../bench/statistics.js';
import { reference } from '../reference.js';

function targetCosines(state: TrainingState): number[] {
  const { embeddings, weights, labels, dim } = makeProblem({ batch: 400, classes: 50, dim: 128, state });
  const rows = (matrix: Float32Array) =>
    Array.from({ length: matrix.length / dim }, (_, r) => [...matrix.subarray(r * dim, (r + 1) * dim)]);
  return [
    ...reference({ embeddings: rows(embeddings), weights: rows(weights), labels: [...labels], scale: SCALE })
      .targetCosine,
  ];
}

test('the problem is the same in every process', () => {
  const problem = makeProblem({ batch: 400, classes: 50, dim: 128, state: 'middle' });
  expect(problem).toEqual(makeProblem({ batch: 400, classes: 50, dim: 128, state: 'middle' }));
  expect(new Set(problem.labels).size).toBe(50);
});

test.each([
  ['early', 0.16, 0.09],
  ['middle', 0.45, 0.08],
  ['trained', 0.75, 0.1],
] as const)('the target cosines of the %s state are as they are described', (state, mean, deviation) => {
  const cosines = targetCosines(state);
  const average = cosines.reduce((a, b) => a + b) / cosines.length;
  const variance = cosines.reduce((sum, value) => sum + (value - average) ** 2, 0) / cosines.length;
  expect(Math.abs(average - mean)).toBeLessThan(0.02);
  expect(Math.abs(Math.sqrt(variance) - deviation)).toBeLessThan(0.02);
});

test('the trained state has its limits, and a tail within them', () => {
  const [least, fifth, most] = quantiles(targetCosines('trained'), [0, 0.05, 1]) as [number, number, number];
  expect(least).toBeGreaterThan(0.3 - 1e-6);
  expect(most).toBeLessThan(0.95 + 1e-6);
  expect(fifth).toBeLessThan(0.62);
});

test('a problem goes through its files unchanged, and one of another margin has the same', () => {
  const parent = mkdtempSync(join(tmpdir(), 'cosface-problem-'));
  try {
    const key = { batch: 7, classes: 5, dim: 3, state: 'trained' } as const;
    const folder = provideProblem(parent, key);
    expect(readProblem(folder, key)).toEqual(makeProblem(key));
    expect(provideProblem(parent, { ...key, margin: 0 })).toBe(folder);
    expect(readProblem(folder, { ...key, margin: 0 }).margin).toBe(0);
    expect(() => readProblem(folder, { ...key, classes: 6 })).toThrow(/has 60 bytes, expected 72/);
  } finally {
    rmSync(parent, { recursive: true });
  }
});
