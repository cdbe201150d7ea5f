import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { CosFaceError } from '../../src/native/errors.js';
import { DAMAGE, damaged, sealed } from './damage.js';
import { formats } from './formats.js';

// Damaged files of every kind that is read. `COSFACE_FUZZ_RUNS=100000 npx vitest run test/fuzz` looks longer; a failure
// prints seed and path, which fc.assert takes.
const RUNS = Number(process.env['COSFACE_FUZZ_RUNS'] ?? 300);
const SEED = 20180209;
const SLOWEST_MS = 5000;

tf.setBackend('cpu');
const folder = mkdtempSync(join(tmpdir(), 'cosface-fuzz-'));
const all = await formats(folder);
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(Object.entries(all))('%s', (_, { whole, read, hashed }) => {
  const into = () => mkdtempSync(join(folder, 'run-'));

  test('whole, it is read', async () => {
    await read(Buffer.from(whole), into());
  });

  test('damaged, it is read or refused in words', { timeout: 600_000 }, async () => {
    const there = into();
    const property = fc.asyncProperty(
      fc.array(DAMAGE, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (damage, seal) => {
        const bytes = damaged(whole, damage);
        const start = performance.now();
        try {
          await read(hashed && seal ? sealed(bytes) : bytes, there);
        } catch (error) {
          if (!(error instanceof CosFaceError)) throw error;
          expect(error.message).toMatch(/^COSFACE_[A-Z_]+: ./);
        }
        expect(performance.now() - start).toBeLessThan(SLOWEST_MS);
      },
    );
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });
});
