import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of TensorFlow.js's own operations.
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import * as cosface from '../../../src/index.js';
import { relativeError } from '../../problem.js';

type Input = 'x' | 'w' | 'bias' | 'subCenters';

interface Vectors {
  problems: Record<string, Record<Input, number[][]> & { y: number[]; bias: number[] }>;
  cases: Array<{
    loss: string;
    source: string;
    problem: string;
    options: Record<string, unknown>;
    expected: { loss: number } & Partial<Record<`d${Input}`, number[][] | number[]>>;
  }>;
}

const { problems, cases } = JSON.parse(
  readFileSync(new URL('../../vectors/family.json', import.meta.url), 'utf8'),
) as Vectors;

const BETWEEN_SAMPLES = new Set(['contrastiveLoss', 'tripletLoss']);

type Loss = (...args: unknown[]) => tf.Tensor;

/** The loss and its gradients by the tensors that the case names. */
function run({ loss: name, problem, options, expected }: Vectors['cases'][number]): Record<string, Float32Array> {
  return tf.tidy(() => {
    const given = problems[problem] as Vectors['problems'][string];
    const by = (Object.keys(expected) as string[]).filter((key) => key !== 'loss').map((key) => key.slice(1) as Input);
    const loss = (cosface as unknown as Record<string, Loss>)[name] as Loss;
    const call = (...tensors: tf.Tensor[]) => {
      const at = Object.fromEntries(by.map((input, i) => [input, tensors[i]]));
      if (BETWEEN_SAMPLES.has(name)) return loss(at['x'], given.y, options);
      const bias = at['bias'] && { bias: at['bias'] };
      return loss(at['x'], at['w'] ?? at['subCenters'], given.y, { ...structuredClone(options), ...bias });
    };
    const tensors = by.map((input) => tf.tensor(given[input] as number[][]));
    const { value, grads } = tf.valueAndGrads(call)(tensors);
    const gradients = by.map((input, i) => [`d${input}`, grads[i]?.dataSync()]);
    return { loss: value.dataSync(), ...Object.fromEntries(gradients) };
  }) as never;
}

/** The stored vectors on backends, by whatever computes them there. */
export function testVectors(backends: string[]): void {
  describe.each(backends)('on %s', (backend) => {
    beforeAll(async () => void (await tf.setBackend(backend)));

    test.each(
      cases.map((one) => [`${one.loss} ${JSON.stringify(one.options)}, ${one.problem}: ${one.source}`, one] as const),
    )('%s', (_, one) => {
      const actual = run(one);
      for (const [name, expected] of Object.entries(one.expected)) {
        const flat = [expected].flat(2) as number[];
        expect(relativeError(actual[name] ?? [], flat), name).toBeLessThan(name === 'loss' ? 3e-6 : 1e-5);
      }
    });
  });
}
