import { expect, test } from 'vitest';
import { nearestRowsStep } from '../../bench/loss/methods/nearest-rows.js';
import { makeProblem } from '../../bench/loss/problem.js';
import { rowOf } from '../../bench/loss/rows.js';

test('the search row finds the class centre that each embedding was made from', () => {
  const shape = { batch: 40, classes: 700, dim: 48 };
  const row = rowOf(shape, { method: 'topK', pass: 'forward' });
  const problem = makeProblem(row);
  const step = nearestRowsStep(row, problem);
  expect(step.call()).toBeUndefined();
  expect(step.relativeError(() => problem)).toBeLessThan(1e-6);
});
