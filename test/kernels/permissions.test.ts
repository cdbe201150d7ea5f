import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { registerKernels } from '../../src/kernels/register.js';
import {
  expectBf16,
  expectBf16Gradients,
  expectExactByDefault,
  expectFiltered,
  expectNothingToLeaveOut,
  mostlyConfident,
} from '../permissions.js';
import { outcomeOf } from '../problem.js';
import type { ReferenceProblem } from '../reference.js';
import { registeredKernels } from './expect-exact.js';
import { describeNative } from './native-addon.js';

const run = (problem: ReferenceProblem) => outcomeOf(registeredKernels, problem);

describeNative.each(['cpu', 'wasm'])('precision and gradientTolerance on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
    expect(registerKernels(backend)).toBe(true);
  });

  test('the defaults are exact', () => expectExactByDefault(run, mostlyConfident()));

  test.each([1e-3, 0.05, 0.9])('a tolerance of %d changes the gradients alone, within its bound', (tolerance) => {
    expectFiltered(run, mostlyConfident(), tolerance);
  });

  test('a tolerance is relative to each sample’s own weight and upstream gradient', () => {
    const sampleWeights = Array.from({ length: 96 }, (_, i) => (i % 5) / 2);
    expectFiltered(run, mostlyConfident({ sampleWeights }), 0.05);
    const lossGradient = Array.from({ length: 96 }, (_, i) => (i % 7) - 3);
    expectFiltered(run, mostlyConfident({ reduction: 'none', sampleWeights, lossGradient }), 0.05);
  });

  test('a tolerance with every margin, and with ignored samples', () => {
    expectFiltered(run, mostlyConfident({ m1: 1.1, m2: 0.2, m3: 0.1 }), 0.05);
    const problem = mostlyConfident();
    expectFiltered(run, { ...problem, labels: problem.labels.map((y, i) => (i % 4 === 1 ? -1 : y)) }, 0.05);
  });

  test('nothing is left out where every class has its share', () => expectNothingToLeaveOut(run));

  test.each([16, 64])('bf16-gradients at scale %d', (scale) => expectBf16Gradients(run, mostlyConfident({ scale })));

  test.each([16, 64])('bf16 at scale %d', (scale) => expectBf16(run, mostlyConfident({ scale })));
});
