import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadBinary } from '../../src/native/load.js';
import { buildOpProbe } from './op-probe.js';
import { resultOf, runProgram } from './run-program.js';
import { describeTensorflow } from './tfjs-node.js';

/** programs/{loss,workers}.mjs: cosines 1, 0, -1 and 0, 1, 0; scale 2, margin 0.5, so target logits 1. */
const EXPECTED_LOSS = (Math.log(1 + (1 + Math.exp(-2)) / Math.E) + Math.log(1 + 2 / Math.E)) / 2;
/** Two classes at a right angle; scale 64, margin 0.35. */
const EYE_LOSS = Math.log1p(Math.exp(-64 * 0.65));

interface RecordedCall {
  calls: number;
  embeddings: number;
  weights: number;
  labels: number;
  sampleWeights: number;
  dEmbeddings: number;
  dWeights: number;
  precision: number;
  gradientTolerance: number;
}

describeTensorflow('the op in processes of their own', () => {
  test('a user’s program computes loss and gradients', () => {
    const { backend, loss, gradients } = resultOf<{ backend: string; loss: number; gradients: number[][] }>(
      runProgram('loss'),
    );
    expect(backend).toBe('tensorflow');
    expect(loss).toBeCloseTo(EXPECTED_LOSS, 6);
    expect(gradients).toEqual([
      [2, 2],
      [3, 2],
    ]);
  });

  test.each(['main', 'worker'])('four worker threads and the main one, the %s first', (first) => {
    const losses = resultOf<number[]>(runProgram('workers', [first]));
    expect(losses).toHaveLength(first === 'main' ? 7 : 5);
    for (const loss of losses) expect(loss).toBeCloseTo(EXPECTED_LOSS, 5);
  });

  test('the addon stays loaded after the worker that registered the op has ended', () => {
    const outcome = resultOf<{ code: number; mapped: boolean; loss: number }>(runProgram('pin', [loadBinary().path]));
    expect(outcome).toMatchObject({ code: 0, mapped: true });
    expect(outcome.loss).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
  });

  test('the addon before tfjs-node: an error that says so, later a registration, a second one harmless', () => {
    const outcome = resultOf<{ early: { code: string; message: string }; outcomes: string[]; loss: number }>(
      runProgram('late', [loadBinary().path]),
    );
    expect(outcome.early.code).toBe('COSFACE_TENSORFLOW');
    expect(outcome.early.message).toMatch(/is not loaded in this process; import @tensorflow\/tfjs-node first/);
    expect(outcome.outcomes).toEqual(['registered', 'already']);
    expect(outcome.loss / EYE_LOSS).toBeCloseTo(1, 5);
  });

  test('of two copies of the addon the first serves both', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cosface-copies-'));
    const copies = ['first.node', 'second.node'].map((name) => join(folder, name));
    try {
      for (const copy of copies) copyFileSync(loadBinary().path, copy);
      const { outcomes, loss } = resultOf<{ outcomes: string[]; loss: number }>(runProgram('copies', copies));
      expect(outcomes).toEqual(['registered', 'already']);
      expect(loss / EYE_LOSS).toBeCloseTo(1, 5);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ['exit', 3, 'started\n'],
    ['throw', 1, 'started\n'],
    ['wait', 0, 'started\nfinished\n'],
  ])('%s while a job runs: exit status %d', (how, status, stdout) => {
    const outcome = runProgram('exit', [how]);
    expect({ ...outcome, stderr: '' }).toEqual({ status, signal: null, stdout, stderr: '' });
  });

  /** TensorFlow keeps 2 KB for each distinct value of an attribute: 20 MB over these calls, were scale one. */
  test.each(['scales', 'errors'])('10,000 calls with %s take no memory', (kind) => {
    interface Usage {
      rss: number;
      handles: number;
      tensors: number;
    }
    const { before, after } = resultOf<{ before: Usage; after: Usage }>(
      runProgram('memory', [kind], { nodeArgs: ['--expose-gc'] }),
    );
    expect(after.rss - before.rss).toBeLessThan(4e6);
    expect(after.handles).toBe(before.handles);
    expect(after.tensors).toBe(before.tensors);
  });

  test('nothing is copied, no exception escapes, and graphs learn the shapes', () => {
    const { arrays, first, second, precisions, errors, scale, shapes } = resultOf<{
      arrays: Pick<RecordedCall, 'embeddings' | 'weights' | 'labels'>;
      first: RecordedCall;
      second: RecordedCall;
      precisions: number[];
      errors: string[];
      scale: number;
      shapes: string[];
    }>(runProgram('probe', [buildOpProbe()]));
    expect(first).toMatchObject({ ...arrays, calls: 1, sampleWeights: 0, precision: 0, gradientTolerance: 1e-3 });
    expect(precisions).toEqual([0, 1, 2]); // cosface_precision
    expect(second).toMatchObject({ embeddings: first.dEmbeddings, weights: first.dWeights, labels: arrays.labels });
    expect(errors).toEqual([
      expect.stringContaining('thrown by the test'),
      expect.stringContaining('COSFACE_OUT_OF_MEMORY'),
      expect.stringContaining('unknown C++ exception'),
    ]);
    expect(scale).toBe(64);
    expect(shapes).toEqual(['unknown 4 4 4,5 6,5', expect.stringContaining('Shape must be rank 1 but is rank 2')]);
  });
});
