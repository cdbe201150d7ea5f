import { describe, expect, test } from 'vitest';
import type { Isa } from '../../src/native/addon.js';
import { type MarginSoftmaxOptions, marginSoftmax, marginSoftmaxAsync } from '../../src/native/index.js';
import { loadAddon } from '../../src/native/load.js';
import {
  expectBf16,
  expectBf16Gradients,
  expectExactByDefault,
  expectFiltered,
  expectNothingToLeaveOut,
  mostlyConfident,
} from '../permissions.js';
import { attrsOf, type Outcome } from '../problem.js';
import type { ReferenceProblem } from '../reference.js';

function typedArrays({ embeddings, weights, labels }: ReferenceProblem) {
  return {
    embeddings: Float32Array.from(embeddings.flat()),
    weights: Float32Array.from(weights.flat()),
    labels: Int32Array.from(labels),
    dim: weights[0]?.length ?? 0,
  };
}

function optionsOf(problem: ReferenceProblem): MarginSoftmaxOptions {
  const { scale, m3, precision, gradientTolerance } = problem;
  return { ...typedArrays(problem), ...{ scale, m3, precision, gradientTolerance, gradients: true } };
}

/** The loss as its mean, which the tests expect of every way to call. */
function run(problem: ReferenceProblem): Outcome {
  const { loss, ...rest } = marginSoftmax(optionsOf(problem));
  return { ...rest, loss: Float32Array.of(loss.reduce((sum, l) => sum + l, 0) / loss.length) } as Outcome;
}

/** By the addon itself, which alone can choose the instruction set. */
function runWith(isa: Isa): (problem: ReferenceProblem) => Outcome {
  return (problem) => {
    const inputs = typedArrays(problem);
    const outputs = {
      targetCosine: new Float32Array(inputs.labels.length),
      prediction: new Int32Array(inputs.labels.length),
      dEmbeddings: new Float32Array(inputs.embeddings.length),
      dWeights: new Float32Array(inputs.weights.length),
    };
    const { withGradients: _, ...attrs } = attrsOf(problem);
    const { reducedLoss } = loadAddon().marginSoftmax({ ...inputs, ...attrs, ...outputs, isa });
    return { ...outputs, loss: Float32Array.of(reducedLoss) };
  };
}

describe('marginSoftmax', () => {
  test('the defaults are exact', () => expectExactByDefault(run, mostlyConfident()));
  test('a tolerance changes the gradients alone, within its bound', () => expectFiltered(run, mostlyConfident(), 0.05));
  test('bf16-gradients', () => expectBf16Gradients(run, mostlyConfident()));
  test('bf16', () => expectBf16(run, mostlyConfident({ scale: 16 })));

  test.each(['fp32', 'bf16-gradients', 'bf16'] as const)(
    '%s: async, and any number of threads, give its bits',
    async (precision) => {
      const options = optionsOf({ ...mostlyConfident(), precision, gradientTolerance: 0.01 });
      const one = marginSoftmax({ ...options, threads: 1 });
      expect(await marginSoftmaxAsync(options)).toEqual(one);
      for (const threads of [2, 3, 8]) expect(marginSoftmax({ ...options, threads })).toEqual(one);
    },
  );
});

describe.each(loadAddon().info().isas as Isa[])('on %s', (isa) => {
  test('a tolerance', () => expectFiltered(runWith(isa), mostlyConfident(), 0.05));
  test('nothing to leave out', () => expectNothingToLeaveOut(runWith(isa)));
  test('bf16-gradients', () => expectBf16Gradients(runWith(isa), mostlyConfident()));
  test('bf16', () => expectBf16(runWith(isa), mostlyConfident({ scale: 16 })));
});
