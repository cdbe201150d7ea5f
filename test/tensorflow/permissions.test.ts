import { beforeAll, expect, test } from 'vitest';
import { registerKernels } from '../../src/kernels/register.js';
import { registeredKernels } from '../kernels/expect-exact.js';
import {
  expectBf16,
  expectBf16Gradients,
  expectExactByDefault,
  expectFiltered,
  mostlyConfident,
} from '../permissions.js';
import { outcomeOf } from '../problem.js';
import type { ReferenceProblem } from '../reference.js';
import { describeTensorflow, tf } from './tfjs-node.js';

const run = (problem: ReferenceProblem) => outcomeOf(registeredKernels, problem);

describeTensorflow('precision and gradientTolerance on tensorflow', () => {
  beforeAll(async () => {
    await tf.setBackend('tensorflow');
    expect(registerKernels('tensorflow')).toBe(true);
  });

  test('the defaults are exact', () => expectExactByDefault(run, mostlyConfident()));

  test('a tolerance changes the gradients alone, within its bound', () => {
    expectFiltered(run, mostlyConfident(), 0.05);
    const lossGradient = Array.from({ length: 96 }, (_, i) => (i % 7) - 3);
    expectFiltered(run, mostlyConfident({ reduction: 'none', lossGradient }), 0.05);
  });

  test('bf16-gradients', () => expectBf16Gradients(run, mostlyConfident()));

  test('bf16', () => expectBf16(run, mostlyConfident({ scale: 16 })));

  test.each(['fp32', 'bf16-gradients', 'bf16'] as const)(
    '%s with a tolerance gives the bits of cpu',
    async (precision) => {
      const problem = { ...mostlyConfident(), precision, gradientTolerance: 0.01 };
      const onTensorflow = run(problem);
      await tf.setBackend('cpu');
      try {
        expect(registerKernels('cpu')).toBe(true);
        expect(onTensorflow).toEqual(run(problem));
      } finally {
        await tf.setBackend('tensorflow');
      }
    },
  );
});
