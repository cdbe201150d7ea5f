import { beforeAll, expect, test } from 'vitest';
import { CosFaceError, marginSoftmax, ResidentWeights } from '../../src/native/index.js';
import { loadAddon } from '../../src/native/load.js';
import { makeProblem, relativeError } from '../native/problem.js';
import { describeEmulated, emulateGpu } from './emulated-gpu.js';

const DIM = 24;
const CLASSES = 60;
const problem = makeProblem({ batch: 20, classes: CLASSES, dim: DIM });
const { weights: initial, embeddings, labels } = problem;
const step = { embeddings, labels, m3: 0.35, gradients: true };

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CosFaceError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

/** Gradient descent as the class documents it, in double. */
function descend(
  w: Float64Array,
  v: Float64Array,
  gradient: Float32Array,
  rates: { learningRate: number; momentum: number; weightDecay: number },
): void {
  for (let k = 0; k < w.length; k++) {
    v[k] = rates.momentum * v[k]! + gradient[k]! + rates.weightDecay * w[k]!;
    w[k]! -= rates.learningRate * v[k]!;
  }
}

describeEmulated('ResidentWeights, emulated', () => {
  beforeAll(emulateGpu);

  test('a step gives the bits of marginSoftmax, and its gradient stays', () => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    const { dWeights, ...wanted } = marginSoftmax({ ...problem, m3: 0.35, gradients: true, device: 'cuda' });
    expect(weights.step(step)).toEqual(wanted);
    expect(weights.readGradient()).toEqual(dWeights);
    expect(weights.read()).toEqual(initial);
    expect(weights.readVelocity()).toEqual(new Float32Array(CLASSES * DIM));
  });

  test('a step without gradients leaves the gradient as it was', () => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    weights.step(step);
    const gradient = weights.readGradient();
    expect(weights.step({ embeddings, labels })).not.toHaveProperty('dEmbeddings');
    expect(weights.readGradient()).toEqual(gradient);
  });

  test('updates are gradient descent with momentum and weight decay', () => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    const rates = { learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 };
    const w = Float64Array.from(initial);
    const v = new Float64Array(w.length);
    for (let k = 0; k < 4; k++) {
      weights.step(step);
      descend(w, v, weights.readGradient(), rates);
      weights.update(rates);
    }
    expect(relativeError(weights.read(), w)).toBeLessThanOrEqual(1e-6);
    expect(relativeError(weights.readVelocity(), v)).toBeLessThanOrEqual(1e-6);
    expect(relativeError(weights.read(), initial)).toBeGreaterThan(1e-2);
  });

  test('without momentum nothing is remembered', () => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    weights.step(step);
    const w = Float64Array.from(initial);
    descend(w, new Float64Array(w.length), weights.readGradient(), { learningRate: 0.5, momentum: 0, weightDecay: 0 });
    weights.update({ learningRate: 0.5 });
    expect(relativeError(weights.read(), w)).toBeLessThanOrEqual(1e-7);
    expect(weights.readVelocity()).toEqual(new Float32Array(CLASSES * DIM));
  });

  test('a part of the classes: labels stay classes, other rows stay as they are', () => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    const classIds = Int32Array.of(3, 7, 20, 59);
    const rows = new Float32Array(classIds.length * DIM);
    for (const [k, c] of classIds.entries()) rows.set(initial.subarray(c * DIM, (c + 1) * DIM), k * DIM);
    const positions = labels.map((_, i) => i % classIds.length);
    const options = { embeddings, m3: 0.35, gradients: true };
    const { dWeights, ...wanted } = marginSoftmax({
      ...options,
      labels: positions,
      weights: rows,
      dim: DIM,
      device: 'cuda',
    });
    wanted.prediction = wanted.prediction.map((k) => classIds[k]!);
    const sampled = positions.map((k) => classIds[k]!);
    expect(weights.step({ ...options, labels: sampled, classIds })).toEqual(wanted);
    expect(weights.readGradient()).toEqual(dWeights);
    weights.update({ learningRate: 0.5, momentum: 0.9 });
    const after = weights.read();
    for (let c = 0; c < CLASSES; c++) {
      const k = classIds.indexOf(c);
      for (let d = 0; d < DIM; d++) {
        const before = initial[c * DIM + d]!;
        if (k < 0) expect(after[c * DIM + d]).toBe(before);
        else expect(after[c * DIM + d]).toBeCloseTo(before - 0.5 * dWeights![k * DIM + d]!, 5);
      }
    }
  });

  test('rows are read and written; a checkpoint goes on as if nothing had happened', () => {
    using first = new ResidentWeights({ weights: initial, dim: DIM });
    first.step(step);
    first.update({ learningRate: 0.1, momentum: 0.9 });
    expect(first.read(2, 1)).toEqual(first.read().subarray(2 * DIM, 3 * DIM));
    using second = new ResidentWeights({ classes: CLASSES, dim: DIM });
    expect(second.read()).toEqual(new Float32Array(CLASSES * DIM));
    second.write(first.read());
    second.writeVelocity(first.readVelocity());
    for (const weights of [first, second]) {
      weights.step(step);
      weights.update({ learningRate: 0.1, momentum: 0.9 });
    }
    expect(second.read()).toEqual(first.read());
  });

  test('after dispose every method is COSFACE_DISPOSED, and dispose is not', () => {
    const weights = new ResidentWeights({ weights: initial, dim: DIM });
    weights.dispose();
    weights.dispose();
    const calls = [
      () => weights.step(step),
      () => weights.update({ learningRate: 1 }),
      () => weights.read(),
      () => weights.readGradient(),
      () => weights.readVelocity(),
      () => weights.write(initial),
      () => weights.writeVelocity(initial),
    ];
    for (const call of calls) expect(codeOf(call)).toBe('COSFACE_DISPOSED');
  });

  test.each([
    ['an update before any gradient', 'COSFACE_OPTION_RANGE', (w: ResidentWeights) => w.update({ learningRate: 1 })],
    [
      'a label out of range',
      'COSFACE_LABEL_RANGE',
      (w: ResidentWeights) => w.step({ ...step, labels: labels.map(() => CLASSES) }),
    ],
    [
      'ids that fall',
      'COSFACE_OPTION_RANGE',
      (w: ResidentWeights) => w.step({ ...step, labels: labels.map(() => 3), classIds: Int32Array.of(3, 3, 2) }),
    ],
    [
      'an id twice',
      'COSFACE_OPTION_RANGE',
      (w: ResidentWeights) => w.step({ ...step, labels: labels.map(() => 2), classIds: Int32Array.of(2, 2) }),
    ],
    [
      'an id out of range',
      'COSFACE_OPTION_RANGE',
      (w: ResidentWeights) => w.step({ ...step, labels: labels.map(() => CLASSES), classIds: Int32Array.of(CLASSES) }),
    ],
    ['rows past the end', 'COSFACE_SHAPE', (w: ResidentWeights) => w.read(CLASSES, 1)],
    ['half a row', 'COSFACE_SHAPE', (w: ResidentWeights) => w.write(new Float32Array(DIM / 2))],
    ['a momentum of 1', 'COSFACE_OPTION_RANGE', (w: ResidentWeights) => w.update({ learningRate: 1, momentum: 1 })],
    [
      'an option of marginSoftmax that is none here',
      'COSFACE_OPTION_RANGE',
      (w: ResidentWeights) => w.step({ ...step, weights: initial } as never),
    ],
  ])('%s is %s', (_, code, call) => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    expect(codeOf(() => call(weights))).toBe(code);
  });

  test('a failed step leaves no gradient behind', () => {
    using weights = new ResidentWeights({ weights: initial, dim: DIM });
    weights.step(step);
    expect(codeOf(() => weights.step({ ...step, labels: labels.map(() => CLASSES) }))).toBe('COSFACE_LABEL_RANGE');
    expect(codeOf(() => weights.update({ learningRate: 1 }))).toBe('COSFACE_OPTION_RANGE');
    expect(weights.readGradient()).toHaveLength(0);
  });

  test.each([
    ["device 'cpu'", 'COSFACE_OPTION_RANGE', { weights: initial, dim: DIM, device: 'cpu' as never }],
    [
      'a GPU that is not there',
      'COSFACE_DEVICE_UNAVAILABLE',
      { weights: initial, dim: DIM, device: 'cuda:7' as const },
    ],
    ['no class', 'COSFACE_SHAPE', { classes: 0, dim: DIM }],
    ['a broken row', 'COSFACE_SHAPE', { weights: initial.subarray(1), dim: DIM }],
    ['more than the memory holds', 'COSFACE_OUT_OF_MEMORY', { classes: 2 ** 30, dim: 4 }],
  ])('made with %s: %s', (_, code, options) => {
    expect(codeOf(() => new ResidentWeights(options))).toBe(code);
  });

  test('memory comes back by dispose, and by the collector', async () => {
    const collect = globalThis.gc;
    if (!collect) throw new Error('run with --expose-gc, as vitest.config.ts does');
    const addon = loadAddon();
    const held = () => {
      const info = addon.cuda(0);
      if (!info.available) throw new Error(info.reason);
      return info.memoryBytes - info.freeBytes;
    };
    addon.releaseWorkspace();
    const before = held();
    const disposed = new ResidentWeights({ weights: initial, dim: DIM });
    expect(held()).toBeGreaterThan(before);
    disposed.dispose();
    expect(held()).toBe(before);
    (() => void new ResidentWeights({ weights: initial, dim: DIM }))();
    for (let k = 0; k < 20 && held() > before; k++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(held()).toBe(before);
  });
});
