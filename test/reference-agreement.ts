import { expect, test } from 'vitest';
import type { MarginSoftmaxExecutor } from '../src/kernels/margin-softmax-gradient.js';
import { HARD_PROBLEMS, SCALES } from './hard-problems.js';
import { errorsOf, MARGINS_AND_REDUCTIONS, type NamedOptions, outcomeOf, type ProblemOptions } from './problem.js';
import { type ReferenceProblem, reference } from './reference.js';

/** Loss within `lossBound`, gradients within 1e-5 at s <= 64, in proportion to s beyond. */
export function expectAgreement(executor: MarginSoftmaxExecutor, problem: ReferenceProblem, lossBound: number): void {
  const outcome = outcomeOf(executor, problem);
  const expected = reference(problem);
  const { loss, targetCosine, dEmbeddings, dWeights } = errorsOf(outcome, expected, problem.reduction);
  const growth = Math.max(1, problem.scale / 64);
  expect(loss, 'loss').toBeLessThanOrEqual(lossBound * growth);
  expect(targetCosine, 'targetCosine').toBeLessThanOrEqual(1e-6);
  expect(dEmbeddings, 'dEmbeddings').toBeLessThanOrEqual(1e-5 * growth);
  expect(dWeights, 'dWeights').toBeLessThanOrEqual(1e-5 * growth);
  expect([...outcome.prediction]).toEqual(expected.prediction);
}

export interface AgreementTests {
  expectExact: (problem: ReferenceProblem) => void;
  /** Problems of one size, by what else is asked of them. */
  problem: (options: Partial<ProblemOptions>) => ReferenceProblem;
  /** Beside those that every implementation is tried on. */
  more: readonly NamedOptions[];
}

/** Margins, reductions, scales and the hard problems, each against the reference. */
export function testReferenceAgreement({ expectExact, problem, more }: AgreementTests): void {
  test.each<NamedOptions>([...MARGINS_AND_REDUCTIONS, ...more])('%s agrees with the reference', (_, options) => {
    expectExact(problem(options));
  });

  test.each(SCALES)('scale %d agrees with the reference', (scale) => {
    for (const classes of [2, 20, 300]) expectExact(problem({ scale, classes }));
  });

  test.each(Object.keys(HARD_PROBLEMS))('%s agrees with the reference', (name) => {
    expectExact(HARD_PROBLEMS[name] as ReferenceProblem);
  });
}
