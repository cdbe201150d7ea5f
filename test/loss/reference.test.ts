import { describe, expect, test } from 'vitest';
import { randomProblem, relativeError } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';

/** The loss that the gradients belong to. */
function value(problem: ReferenceProblem): number {
  const { loss, reducedLoss } = reference(problem);
  const { lossGradient } = problem;
  return lossGradient ? loss.reduce((sum, l, i) => sum + l * (lossGradient[i] as number), 0) : reducedLoss;
}

/** Central differences; h^2 = 1e-10 times the third derivative (up to s^3) against a rounding of 1e-16 / h. */
function difference(problem: ReferenceProblem, of: 'embeddings' | 'weights', r: number, d: number): number {
  const h = 1e-5;
  const shifted = (by: number) => {
    const matrix = problem[of].map((row) => [...row]);
    const row = matrix[r] as number[];
    row[d] = (row[d] as number) + by;
    return value({ ...problem, [of]: matrix });
  };
  return (shifted(h) - shifted(-h)) / (2 * h);
}

const base = { batch: 4, classes: 5, dim: 3, scale: 8 };

describe('the reference itself', () => {
  test.each([
    ['NormFace', {}],
    ['CosFace', { m3: 0.35 }],
    ['ArcFace', { m2: 0.5 }],
    ['SphereFace', { m1: 4 }],
    ['all margins', { m1: 1.3, m2: 0.2, m3: 0.1 }],
    ['sum', { m3: 0.35, reduction: 'sum' as const }],
    ['a loss gradient', { m3: 0.35, reduction: 'none' as const, lossGradient: [1, -2, 0.5, 0] }],
    ['weights and margins per sample', { sampleWeights: [1, 0, 2, -1], sampleMargins: [0.1, 0.2, -0.3, 0] }],
    ['an ignored label', { m3: 0.2, ignoreLabel: 2 }],
  ])('gradients of %s agree with finite differences', (_, options) => {
    const problem = randomProblem({ ...base, ...options });
    const { dEmbeddings, dWeights } = reference(problem);
    const numeric = (of: 'embeddings' | 'weights') =>
      problem[of].map((row, r) => row.map((_value, d) => difference(problem, of, r, d)));
    expect(relativeError(dEmbeddings.flat(), numeric('embeddings').flat())).toBeLessThan(1e-8);
    expect(relativeError(dWeights.flat(), numeric('weights').flat())).toBeLessThan(1e-8);
  });

  test('a loss worked out by hand', () => {
    // cos = (1, 0), so u = s (0 - (1 - m)) = -2 (1 - 0.5) = -1.
    const { loss, targetCosine, prediction } = reference({
      embeddings: [[3, 0]],
      weights: [
        [5, 0],
        [0, 2],
      ],
      labels: [0],
      scale: 2,
      m3: 0.5,
    });
    expect(loss[0]).toBeCloseTo(Math.log(1 + Math.exp(-1)), 14);
    expect(targetCosine).toEqual([1]);
    expect(prediction).toEqual([0]);
  });
});
