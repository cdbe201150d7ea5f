import { beforeAll, expect, test } from 'vitest';
import {
  type MarginSoftmaxOptions,
  marginSoftmax,
  marginSoftmaxAsync,
  releaseWorkspace,
} from '../../src/native/index.js';
import { loadAddon } from '../../src/native/load.js';
import { makeProblem, relativeError, seededRandom } from '../native/problem.js';
import { marginSoftmaxReference, type ReferenceProblem } from '../native/reference.js';
import { describeEmulated, emulateGpu } from './emulated-gpu.js';

const FAMILY = [
  { name: 'NormFace', m1: 1, m2: 0, m3: 0 },
  { name: 'CosFace', m1: 1, m2: 0, m3: 0.35 },
  { name: 'ArcFace', m1: 1, m2: 0.5, m3: 0 },
  { name: 'SphereFace', m1: 4, m2: 0, m3: 0 },
  { name: 'combined', m1: 1.2, m2: 0.3, m3: 0.1 },
];

/** One of each kind: single, below, at and above a tile of rows, classes or features. */
const SHAPES = [
  { batch: 1, classes: 1, dim: 1 },
  { batch: 2, classes: 2, dim: 3 },
  { batch: 33, classes: 130, dim: 17 },
  { batch: 130, classes: 64, dim: 65 },
];

interface Bounds {
  loss: number;
  gradients: number;
}

const FP32: Bounds = { loss: 2e-6, gradients: 1e-5 };
/** Half operands at s = 64. */
const HALF: Bounds = { loss: 1e-3, gradients: 5e-3 };

type Permission = Pick<MarginSoftmaxOptions, 'precision' | 'workspaceBytes'>;

function expectLikeReference(problem: ReferenceProblem, bounds: Bounds, permission: Permission = {}): void {
  const result = marginSoftmax({ ...problem, ...permission, gradients: true, device: 'cuda' });
  const reference = marginSoftmaxReference(problem);
  expect(relativeError(result.loss, reference.loss)).toBeLessThanOrEqual(bounds.loss);
  expect(relativeError(result.dEmbeddings!, reference.dEmbeddings)).toBeLessThanOrEqual(bounds.gradients);
  expect(relativeError(result.dWeights!, reference.dWeights)).toBeLessThanOrEqual(bounds.gradients);
  result.targetCosine.forEach((cosine, i) => {
    expect(Math.abs(cosine - reference.targetCosine[i]!)).toBeLessThanOrEqual(1e-6);
  });
}

describeEmulated("marginSoftmax({ device: 'cuda' }), emulated", () => {
  beforeAll(emulateGpu);

  test.each(FAMILY)('$name at every shape is the double-precision reference', ({ m1, m2, m3 }) => {
    for (const shape of SHAPES) expectLikeReference({ ...makeProblem(shape), scale: 30, m1, m2, m3 }, FP32);
  });

  test('ignored samples, sample weights and sample margins', () => {
    const problem = makeProblem({ batch: 40, classes: 25, dim: 16, seed: 3 });
    const random = seededRandom(4);
    problem.labels.forEach((_, i) => {
      if (i % 5 === 0) problem.labels[i] = 255;
    });
    const sampleWeights = Float32Array.from(problem.labels, (_, i) => (i % 7 === 0 ? 0 : random() * 3));
    const sampleMargins = Float32Array.from(problem.labels, () => random() - 0.3);
    const options = { scale: 16, m1: 1, m2: 0, m3: 0.9, ignoreLabel: 255, sampleWeights, sampleMargins };
    expectLikeReference({ ...problem, ...options }, FP32);
  });

  test('bf16 precision keeps the bounds of half operands', () => {
    const problem = makeProblem({ batch: 70, classes: 300, dim: 64 });
    expectLikeReference({ ...problem, scale: 64, m1: 1, m2: 0, m3: 0.35 }, HALF, { precision: 'bf16' });
  });

  test('a small budget is kept by chunks of classes', () => {
    const shape = { batch: 20, classes: 1000, dim: 32 };
    const problem = makeProblem(shape);
    const planOf = (options: Permission) => loadAddon().cuda(0, { ...shape, ...options, gradients: true });
    expect(planOf({})).toMatchObject({ plan: expect.stringContaining('chunks     1 of') });
    expect(planOf({ workspaceBytes: 1 })).toMatchObject({ plan: expect.stringContaining('chunks     8 of') });
    expectLikeReference({ ...problem, scale: 64, m1: 1, m2: 0, m3: 0.35 }, FP32, { workspaceBytes: 1 });
  });

  test('nothing in, nothing out', () => {
    const none = { embeddings: new Float32Array(0), labels: new Int32Array(0), weights: Float32Array.of(1, 2), dim: 2 };
    const result = marginSoftmax({ ...none, gradients: true, device: 'cuda' });
    expect(result.loss).toHaveLength(0);
    expect(result.dWeights).toEqual(new Float32Array(2));
  });

  test('the same bits, run after run, on either side of the event loop, with gradients or without', async () => {
    const options = { ...makeProblem({ batch: 20, classes: 200, dim: 24 }), m3: 0.35, device: 'cuda' as const };
    const first = marginSoftmax({ ...options, gradients: true });
    expect(marginSoftmax({ ...options, gradients: true })).toEqual(first);
    expect(await marginSoftmaxAsync({ ...options, gradients: true })).toEqual(first);
    expect(marginSoftmax(options).loss).toEqual(first.loss);
  });

  test('what stays on the GPU between calls is given back by releaseWorkspace', () => {
    marginSoftmax({ ...makeProblem({ batch: 20, classes: 200, dim: 24 }), device: 'cuda' });
    expect(freeBytes()).toBeLessThan(memoryBytes());
    const afterOne = freeBytes();
    for (let k = 0; k < 5; k++) marginSoftmax({ ...makeProblem({ batch: 20, classes: 200, dim: 24 }), device: 'cuda' });
    expect(freeBytes()).toBe(afterOne);
    releaseWorkspace();
    expect(freeBytes()).toBe(memoryBytes());
  });

  test("'auto' takes the GPU, and the CPU where COSFACE_DEVICE says so", () => {
    const options = makeProblem({ batch: 20, classes: 200, dim: 24 });
    releaseWorkspace();
    process.env['COSFACE_DEVICE'] = 'cpu';
    marginSoftmax(options);
    expect(freeBytes()).toBe(memoryBytes());
    delete process.env['COSFACE_DEVICE'];
    marginSoftmax(options);
    expect(freeBytes()).toBeLessThan(memoryBytes());
  });

  test('a shape that only the CPU takes: an error for cuda, the CPU for auto', () => {
    const options = makeProblem({ batch: 2, classes: 3, dim: 5000 });
    expect(() => marginSoftmax({ ...options, device: 'cuda' })).toThrow(
      expect.objectContaining({ code: 'COSFACE_UNSUPPORTED', argument: 'dim' }),
    );
    expect(marginSoftmax(options)).toEqual(marginSoftmax({ ...options, device: 'cpu' }));
  });

  function cuda() {
    const info = loadAddon().cuda(0);
    if (!info.available) throw new Error(info.reason);
    return info;
  }
  const freeBytes = () => cuda().freeBytes;
  const memoryBytes = () => cuda().memoryBytes;
});
