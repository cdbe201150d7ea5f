import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of TensorFlow.js's own operations.
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import * as cosface from '../../../src/index.js';
import { relativeError } from '../../problem.js';
import { outcomeOfVector, type Vectors } from './vector-outcome.js';

const { problems, cases } = JSON.parse(
  readFileSync(new URL('../../vectors/family.json', import.meta.url), 'utf8'),
) as Vectors;

/** The stored vectors on backends, by whatever computes them there. */
export function testVectors(backends: string[]): void {
  describe.each(backends)('on %s', (backend) => {
    beforeAll(async () => void (await tf.setBackend(backend)));

    test.each(
      cases.map((one) => [`${one.loss} ${JSON.stringify(one.options)}, ${one.problem}: ${one.source}`, one] as const),
    )('%s', (_, one) => {
      const actual = outcomeOfVector(cosface, problems, one);
      for (const [name, expected] of Object.entries(one.expected)) {
        const flat = [expected].flat(2) as number[];
        expect(relativeError(actual[name]?.dataSync() ?? [], flat), name).toBeLessThan(name === 'loss' ? 3e-6 : 1e-5);
      }
      tf.dispose(actual);
    });
  });
}
