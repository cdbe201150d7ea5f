import { describe, expect, test } from 'vitest';
import {
  relativeError,
  samplesToCheck,
  sampleWeightsFor,
  shareOfTolerance,
} from '../../bench/loss/double-precision.js';
import { type LossProblem, makeProblem } from '../../bench/loss/problem.js';
import { MARGIN, SCALE } from '../../bench/loss/rows.js';
import { reference } from '../reference.js';

const problem = makeProblem({ batch: 9, classes: 13, dim: 6, state: 'middle' });

function rowsOf(matrix: Float32Array, dim: number): number[][] {
  return Array.from({ length: matrix.length / dim }, (_, r) => [...matrix.subarray(r * dim, (r + 1) * dim)]);
}

/** What a faultless float32 implementation gives. */
function outputsOf(
  { embeddings, weights, labels, dim }: LossProblem,
  change: { m3?: number; counting?: number[] } = {},
) {
  const { m3 = MARGIN, counting } = change;
  const { reducedLoss, dEmbeddings, dWeights } = reference({
    ...{ embeddings: rowsOf(embeddings, dim), weights: rowsOf(weights, dim), labels: [...labels], scale: SCALE, m3 },
    sampleWeights: counting && [...labels].map((_, i) => Number(counting.includes(i))),
  });
  return {
    loss: reducedLoss,
    dEmbeddings: Float32Array.from(dEmbeddings.flat()),
    dWeights: Float32Array.from(dWeights.flat()),
  };
}

const everySample = samplesToCheck(problem);

describe('relativeError', () => {
  test('is float32 rounding for the right results, all samples or some', () => {
    expect(everySample).toHaveLength(9);
    expect(relativeError(problem, everySample, outputsOf(problem))).toBeLessThan(1e-7);
    const some = [1, 4, 8];
    expect(relativeError(problem, some, outputsOf(problem, { counting: some }))).toBeLessThan(1e-7);
  });

  test('sees a slightly wrong margin', () => {
    expect(relativeError(problem, everySample, outputsOf(problem, { m3: 0.351 }))).toBeGreaterThan(1e-3);
  });

  test.each(['dEmbeddings', 'dWeights'] as const)(
    'sees one wrong element of %s, also of a sample that weighs 0',
    (name) => {
      const outputs = outputsOf(problem, { counting: [1] });
      outputs[name][0] = (outputs[name][0] as number) + 0.5;
      expect(relativeError(problem, [1], outputs)).toBeGreaterThan(1e-3);
    },
  );

  test.each(['dEmbeddings', 'dWeights'] as const)('is NaN for a NaN or a missing end in %s', (name) => {
    const outputs = outputsOf(problem);
    expect(relativeError(problem, everySample, { ...outputs, [name]: outputs[name].subarray(1) })).toBeNaN();
    outputs[name][3] = Number.NaN;
    expect(relativeError(problem, everySample, outputs)).toBeNaN();
  });

  test('judges the loss alone where there are no gradients', () => {
    const { loss } = outputsOf(problem);
    expect(relativeError(problem, everySample, { loss })).toBeLessThan(1e-12);
    expect(relativeError(problem, everySample, { loss: loss * 1.01 })).toBeCloseTo(0.01, 6);
  });
});

describe('shareOfTolerance', () => {
  const tolerance = 1e-3;

  test('is next to nothing for exact gradients', () => {
    expect(shareOfTolerance({ problem, samples: everySample }, outputsOf(problem), tolerance)).toBeLessThan(1e-3);
  });

  test.each(['dEmbeddings', 'dWeights'] as const)('is 1 where an error of %s is what the bound allows', (name) => {
    const outputs = outputsOf(problem);
    const rows = name === 'dEmbeddings' ? problem.embeddings : problem.weights;
    const norm = Math.hypot(...rows.subarray(0, problem.dim));
    const allowed = (SCALE * tolerance) / norm / (name === 'dEmbeddings' ? everySample.length : 1);
    outputs[name][1] = (outputs[name][1] as number) + allowed;
    expect(shareOfTolerance({ problem, samples: everySample }, outputs, tolerance)).toBeCloseTo(1, 2);
    outputs[name][1] = Number.NaN;
    expect(shareOfTolerance({ problem, samples: everySample }, outputs, tolerance)).toBeNaN();
  });
});

describe('samplesToCheck', () => {
  test('spreads what it can afford evenly over a large batch', () => {
    const samples = samplesToCheck({ ...problem, batch: 512, classes: 10575, dim: 512 });
    expect(samples.length).toBe(15); // 0.5 GFLOP at 6 C D each
    expect(samples[0]).toBe(17);
    expect(samples[14]).toBe(494);
    const weights = sampleWeightsFor({ ...problem, batch: 512 }, samples) as Float32Array;
    expect(weights.reduce((a, b) => a + b)).toBe(15);
    expect(weights[494]).toBe(1);
  });

  test('affords one sample whatever it costs', () => {
    expect(samplesToCheck({ ...problem, batch: 2, classes: 2 ** 27, dim: 512 })).toEqual([1]);
  });
});

test('the margin is that of the problem', () => {
  const without = makeProblem({ batch: 9, classes: 13, dim: 6, state: 'middle', margin: 0 });
  expect(relativeError(without, everySample, outputsOf(without, { m3: 0 }))).toBeLessThan(1e-7);
  expect(relativeError(without, everySample, outputsOf(without))).toBeGreaterThan(1e-3);
});
