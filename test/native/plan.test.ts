import { expect, test } from 'vitest';
import { backendInfo } from '../../src/native/index.js';

const training = { batch: 512, classes: 100_000, dim: 512, gradients: true };

test('no shape, no plan', () => {
  expect(backendInfo().plan).toBeNull();
});

test('a training step within the default budget keeps exponentials, in row blocks, and says why', () => {
  const { plan } = backendInfo(training);
  expect(plan).toMatchObject({ keep: true, keepNorms: true });
  expect(plan?.workspaceBytes).toBeLessThanOrEqual(64 << 20);
  expect(plan?.rowBlock).toBeLessThan(512);
  expect(plan?.description).toContain('N 512, C 100000, D 512');
  expect(plan?.description).toMatch(/6NCD .* kept.* blocks of \d+ rows, because all at once would take 195 MiB/);
});

test('without a budget exponentials are computed twice, and the plan says why', () => {
  const { plan } = backendInfo({ ...training, workspaceBytes: 0 });
  expect(plan).toMatchObject({ keep: false, keepNorms: false, packWeights: true });
  expect(plan?.description).toMatch(/8NCD .* because the budget/);
});

test('precision is part of a plan: bf16 exponentials let more rows share a sweep over the weights', () => {
  const fp32 = backendInfo(training).plan;
  const bf16 = backendInfo({ ...training, precision: 'bf16-gradients' }).plan;
  expect(bf16?.rowBlock).toBeGreaterThan(fp32?.rowBlock ?? Number.POSITIVE_INFINITY);
  expect(bf16?.description).toContain('bf16');
});

test('a shape that cannot be is an error', () => {
  expect(() => backendInfo({ ...training, classes: 0 })).toThrow(expect.objectContaining({ code: 'COSFACE_SHAPE' }));
});
