import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { loadResidentHead, saveResidentHead } from '../../src/models/index.js';
import { ResidentHead, type ResidentHeadOptions, sampleClasses } from '../../src/native/index.js';
import { makeProblem, relativeError } from '../native/problem.js';
import { describeEmulated, emulateGpu } from './emulated-gpu.js';

const CLASSES = 60;
const DIM = 24;
const { embeddings, labels, weights } = makeProblem({ batch: 20, classes: CLASSES, dim: DIM });
const rates = { learningRate: 0.2, weightDecay: 1e-3 };

function makeHead(device: 'cpu' | 'cuda', options: Partial<ResidentHeadOptions> = {}): ResidentHead {
  return new ResidentHead({ classes: CLASSES, dim: DIM, weights, device, ...options });
}

describeEmulated('ResidentHead on a GPU, emulated', () => {
  beforeAll(emulateGpu);

  test.each([undefined, 0.4])('moves as on the CPU; rate %s', (rate) => {
    using gpu = makeHead('cuda');
    using cpu = makeHead('cpu');
    for (let step = 0; step < 4; step++) {
      const classIds = rate && sampleClasses({ labels, numClasses: CLASSES, rate, step });
      const options = { embeddings, labels, m3: 0.35, ...rates, ...(classIds ? { classIds } : {}) };
      const got = gpu.step(options);
      const expected = cpu.step(options);
      expect(got.prediction).toEqual(expected.prediction);
      expect(got.accuracy).toBe(expected.accuracy);
      expect(relativeError(got.loss, expected.loss)).toBeLessThanOrEqual(1e-5);
      expect(relativeError(got.dEmbeddings, expected.dEmbeddings)).toBeLessThanOrEqual(1e-5);
    }
    expect(relativeError(gpu.read(), cpu.read())).toBeLessThanOrEqual(1e-5);
    expect(relativeError(gpu.read(), weights)).toBeGreaterThan(1e-2);
    expect(gpu.steps).toBe(4);
    expect(gpu.evaluate({ embeddings, labels }).loss).toHaveLength(20);
  });

  test('is saved there and loaded here', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cosface-head-'));
    try {
      using gpu = makeHead('cuda');
      gpu.step({ embeddings, labels, ...rates });
      await saveResidentHead(gpu, join(folder, 'head'));
      using cpu = await loadResidentHead(join(folder, 'head'));
      expect(cpu.read()).toEqual(gpu.read());
      using back = await loadResidentHead(join(folder, 'head'), { device: 'cuda' });
      expect(back.step({ embeddings, labels, ...rates })).toEqual(gpu.step({ embeddings, labels, ...rates }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('what a GPU lacks is refused in words', async () => {
    expect(() => makeHead('cuda', { optimizer: { kind: 'adamw' } })).toThrow(
      "COSFACE_UNSUPPORTED: a head on a GPU does not have the optimiser 'adamw', expected 'sgd'.",
    );
    expect(() => makeHead('cuda', { normalize: true })).toThrow('COSFACE_UNSUPPORTED');
    using head = makeHead('cuda');
    await expect(head.stepAsync({ embeddings, labels, ...rates })).rejects.toMatchObject({
      code: 'COSFACE_UNSUPPORTED',
    });
    expect(head.step({ embeddings, labels, ...rates }).loss).toHaveLength(20);
  });
});
