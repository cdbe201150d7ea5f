import { getHeapStatistics } from 'node:v8';
import { describe, expect, test } from 'vitest';
import {
  CosFaceError,
  type HeadStepOptions,
  marginSoftmax,
  ResidentHead,
  type ResidentHeadOptions,
  sampleClasses,
} from '../../src/native/index.js';
import { makeProblem, relativeError } from './problem.js';

const DIM = 24;
const CLASSES = 60;
const problem = makeProblem({ batch: 20, classes: CLASSES, dim: DIM });
const { weights: initial, embeddings, labels } = problem;
const batch = { embeddings, labels, m3: 0.35 };

function makeHead(options: Partial<ResidentHeadOptions> = {}): ResidentHead {
  return new ResidentHead({ classes: CLASSES, dim: DIM, weights: initial, ...options });
}

function errorOf(call: () => unknown): CosFaceError {
  try {
    call();
  } catch (error) {
    if (error instanceof CosFaceError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function velocityOf(head: ResidentHead): Float32Array {
  const values = new Float32Array(head.classes * head.dim);
  head.readPart('velocity', 0, values);
  return values;
}

describe('a step', () => {
  test('gives what marginSoftmax gives, and its gradient moves the weights', () => {
    using head = makeHead({ optimizer: { kind: 'sgd', momentum: 0.9 } });
    const { dWeights, ...wanted } = marginSoftmax({ ...problem, m3: 0.35, gradients: true, device: 'cpu' });
    const { accuracy, reducedLoss, ...got } = head.step({ ...batch, learningRate: 0.5 });
    expect(got).toEqual(wanted);
    expect(accuracy).toBe(wanted.prediction.filter((c, i) => c === labels[i]).length / 20);
    expect(reducedLoss).toBeCloseTo(wanted.loss.reduce((sum, loss) => sum + loss, 0) / 20, 5);
    expect(velocityOf(head)).toEqual(dWeights);
    const moved = Float64Array.from(initial, (w, k) => w - 0.5 * dWeights![k]!);
    expect(relativeError(head.read(), moved)).toBeLessThanOrEqual(1e-7);
    expect(head.steps).toBe(1);
  });

  test('lossGradient replaces the mean', () => {
    using mean = makeHead();
    using sum = makeHead();
    const { dEmbeddings } = mean.step({ ...batch, learningRate: 0.1 });
    const weighted = sum.step({ ...batch, learningRate: 0.1, lossGradient: new Float32Array(20).fill(2 / 20) });
    expect(
      relativeError(
        weighted.dEmbeddings,
        dEmbeddings.map((g) => 2 * g),
      ),
    ).toBeLessThanOrEqual(1e-6);
    expect(
      relativeError(
        velocityOf(sum),
        velocityOf(mean).map((g) => 2 * g),
      ),
    ).toBeLessThanOrEqual(1e-6);
  });

  test('off the event loop: the same bits, from arrays as they were', async () => {
    using here = makeHead();
    using there = makeHead();
    for (let k = 0; k < 3; k++) {
      const own = { ...batch, embeddings: embeddings.slice(), labels: labels.slice() };
      const classIds = sampleClasses({ labels, numClasses: CLASSES, rate: 0.5, step: k });
      const promise = there.stepAsync({ ...own, classIds, learningRate: 0.1 });
      own.embeddings.fill(Number.NaN);
      own.labels.fill(-9);
      classIds.fill(-1);
      const again = sampleClasses({ labels, numClasses: CLASSES, rate: 0.5, step: k });
      expect(await promise).toEqual(here.step({ ...batch, classIds: again, learningRate: 0.1 }));
    }
    expect(there.read()).toEqual(here.read());
    expect(there.steps).toBe(3);
    expect(await there.evaluateAsync(batch)).toEqual(here.evaluate(batch));
  });

  test('evaluate moves nothing', () => {
    using head = makeHead();
    const { loss } = marginSoftmax({ ...problem, m3: 0.35, device: 'cpu' });
    const result = head.evaluate(batch);
    expect(result.loss).toEqual(loss);
    expect(result).not.toHaveProperty('dEmbeddings');
    expect(head.read()).toEqual(initial);
    expect(head.steps).toBe(0);
  });

  test('sampled classes: other rows and their state stay as they are', () => {
    using head = makeHead({ optimizer: { kind: 'adamw' } });
    const classIds = sampleClasses({ labels, numClasses: CLASSES, rate: 0.6, seed: 2 });
    const { prediction } = head.step({ ...batch, classIds, learningRate: 0.01 });
    const updates = new Int32Array(CLASSES);
    head.readPart('updates', 0, updates);
    const after = head.read();
    for (let c = 0; c < CLASSES; c++) {
      const sampled = classIds.includes(c);
      expect(updates[c]).toBe(sampled ? 1 : 0);
      if (!sampled) expect(after.subarray(c * DIM, c * DIM + DIM)).toEqual(initial.subarray(c * DIM, c * DIM + DIM));
    }
    for (const c of prediction) expect(classIds).toContain(c);
  });

  test('ignored samples do not count in the accuracy', () => {
    using head = makeHead();
    const some = labels.map((y, i) => (i % 2 === 0 ? -1 : y));
    const { prediction, accuracy } = head.evaluate({ embeddings, labels: some });
    expect(accuracy).toBe(prediction.filter((c, i) => c === some[i]).length / 10);
    expect(head.evaluate({ embeddings, labels: labels.map(() => -1) }).accuracy).toBe(0);
  });

  test('a batch without samples', () => {
    using head = makeHead();
    const none = { embeddings: new Float32Array(0), labels: new Int32Array(0), learningRate: 0.1 };
    expect(head.step(none)).toMatchObject({ reducedLoss: 0, accuracy: 0 });
    expect(head.read()).toEqual(initial);
  });
});

describe('the weights', () => {
  test('from a seed: the same for the same, of length about 1', () => {
    using head = new ResidentHead({ classes: 3000, dim: 512, seed: 7 });
    using same = new ResidentHead({ classes: 3000, dim: 512, seed: 7 });
    using other = new ResidentHead({ classes: 3000, dim: 512, seed: 8 });
    const weights = head.read();
    expect(Buffer.compare(Buffer.from(weights.buffer), Buffer.from(same.read().buffer))).toBe(0);
    expect(head.read(0, 1)).not.toEqual(other.read(0, 1));
    expect(head.read(2999, 1)).toEqual(weights.subarray(2999 * 512));
    for (const c of [0, 1500, 2999])
      expect(Math.hypot(...weights.subarray(c * 512, c * 512 + 512))).toBeCloseTo(1, 0.9);
    expect(Math.hypot(...weights.subarray(0, 5120)) / Math.sqrt(10)).toBeCloseTo(1, 1);
  });

  test('rows are read and written', () => {
    using head = makeHead();
    head.write(new Float32Array(2 * DIM).fill(3), 58);
    expect(head.read(57, 2)).toEqual(
      Float32Array.of(...initial.subarray(57 * DIM, 58 * DIM), ...new Float32Array(DIM).fill(3)),
    );
  });

  test('parts follow from the optimiser', () => {
    using plain = makeHead({ optimizer: { kind: 'sgd', momentum: 0 } });
    using momentum = makeHead();
    using adamw = makeHead({ optimizer: { kind: 'adamw' } });
    expect(plain.parts).toEqual(['weights']);
    expect(momentum.parts).toEqual(['weights', 'velocity']);
    expect(adamw.parts).toEqual(['weights', 'firstMoment', 'secondMoment', 'updates']);
    expect(errorOf(() => plain.readPart('velocity', 0, new Float32Array(DIM)))).toMatchObject({ argument: 'part' });
  });
});

const step: HeadStepOptions = { ...batch, learningRate: 0.1 };

/** Everything that a head can be asked for, not yet called. */
const callsOf = (head: ResidentHead) => [
  () => head.step(step),
  () => head.evaluate(batch),
  () => head.read(),
  () => head.write(initial),
];

describe('errors', () => {
  test.each<[string, string, string, Record<string, unknown>]>([
    ['classes 0', 'COSFACE_SHAPE', 'classes', { classes: 0 }],
    ['classes 1.5', 'COSFACE_SHAPE', 'classes', { classes: 1.5 }],
    ['dim 0', 'COSFACE_SHAPE', 'dim', { dim: 0 }],
    ['weights of another length', 'COSFACE_SHAPE', 'weights', { weights: initial.subarray(DIM) }],
    ['weights of another kind', 'COSFACE_DTYPE', 'weights', { weights: new Float64Array(CLASSES * DIM) }],
    ['momentum 1', 'COSFACE_OPTION_RANGE', 'momentum', { optimizer: { kind: 'sgd', momentum: 1 } }],
    ['beta1 1', 'COSFACE_OPTION_RANGE', 'beta1', { optimizer: { kind: 'adamw', beta1: 1 } }],
    ['beta2 as text', 'COSFACE_OPTION_RANGE', 'beta2', { optimizer: { kind: 'adamw', beta2: '0.9' } }],
    ['epsilon 0', 'COSFACE_OPTION_RANGE', 'epsilon', { optimizer: { kind: 'adamw', epsilon: 0 } }],
    ['another optimiser', 'COSFACE_OPTION_RANGE', 'optimizer', { optimizer: { kind: 'adam' } }],
    ['a seed with a fraction', 'COSFACE_OPTION_RANGE', 'seed', { weights: undefined, seed: 0.5 }],
    ['normalize as text', 'COSFACE_OPTION_RANGE', 'normalize', { normalize: 'yes' }],
    ['more than the memory holds', 'COSFACE_OUT_OF_MEMORY', 'classes', { classes: 2 ** 31 - 1, dim: 2 ** 24 }],
    ['a device that is none', 'COSFACE_OPTION_RANGE', 'device', { device: 'gpu' }],
  ])('%s is %s', (_, code, argument, options) => {
    expect(errorOf(() => makeHead(options))).toMatchObject({ code, argument });
  });

  test.each<[string, string, string, Record<string, unknown>]>([
    ['no learning rate', 'COSFACE_OPTION_RANGE', 'learningRate', { learningRate: undefined }],
    ['a learning rate as text', 'COSFACE_OPTION_RANGE', 'learningRate', { learningRate: '0.1' }],
    ['a learning rate below 0', 'COSFACE_OPTION_RANGE', 'learningRate', { learningRate: -1 }],
    ['a weight decay of NaN', 'COSFACE_OPTION_RANGE', 'weightDecay', { weightDecay: Number.NaN }],
    ['weights', 'COSFACE_OPTION_RANGE', 'weights', { weights: initial }],
    ['gradients', 'COSFACE_OPTION_RANGE', 'gradients', { gradients: true }],
    ['a label out of range', 'COSFACE_LABEL_RANGE', 'labels', { labels: labels.map(() => CLASSES) }],
    ['labels of another kind', 'COSFACE_DTYPE', 'labels', { labels: [...labels] }],
    ['a label that is not sampled', 'COSFACE_LABEL_RANGE', 'labels', { classIds: Int32Array.of(labels[0]! ^ 1) }],
    ['ids that fall', 'COSFACE_OPTION_RANGE', 'classIds', { classIds: Int32Array.of(3, 2) }],
    ['embeddings of NaN', 'COSFACE_NOT_FINITE', 'embeddings', { embeddings: embeddings.map(() => Number.NaN) }],
    ['a broken row', 'COSFACE_SHAPE', 'embeddings', { embeddings: embeddings.subarray(1) }],
    ['one loss gradient too few', 'COSFACE_SHAPE', 'lossGradient', { lossGradient: new Float32Array(19) }],
  ])('%s is %s, here and off the event loop, and nothing has changed', async (_, code, argument, options) => {
    using head = makeHead();
    const wrong = { ...step, ...options } as HeadStepOptions;
    expect(errorOf(() => head.step(wrong))).toMatchObject({ code, argument });
    await expect(head.stepAsync(wrong)).rejects.toMatchObject({ code, argument });
    expect(head.read()).toEqual(initial);
    expect(velocityOf(head)).toEqual(new Float32Array(CLASSES * DIM));
    expect(head.steps).toBe(0);
    head.step(step);
  });

  test('rows that are not there', () => {
    using head = makeHead();
    expect(errorOf(() => head.read(CLASSES, 1))).toMatchObject({ code: 'COSFACE_SHAPE', argument: 'firstClass' });
    expect(errorOf(() => head.read(-1, 1))).toMatchObject({ code: 'COSFACE_SHAPE', argument: 'firstClass' });
    expect(errorOf(() => head.write(new Float32Array(DIM + 1)))).toMatchObject({ code: 'COSFACE_SHAPE' });
  });

  test('one call at a time', async () => {
    using head = makeHead();
    const running = head.stepAsync(step);
    for (const call of callsOf(head)) expect(errorOf(call)).toMatchObject({ code: 'COSFACE_BUSY' });
    await expect(head.stepAsync(step)).rejects.toMatchObject({ code: 'COSFACE_BUSY' });
    await running;
    head.step(step);
    expect(head.steps).toBe(2);
  });

  test('after dispose everything is COSFACE_DISPOSED, and dispose is not', async () => {
    const head = makeHead();
    const running = head.stepAsync(step);
    head.dispose();
    head.dispose();
    expect((await running).loss).toHaveLength(20);
    for (const call of callsOf(head)) expect(errorOf(call)).toMatchObject({ code: 'COSFACE_DISPOSED' });
    await expect(head.stepAsync(step)).rejects.toMatchObject({ code: 'COSFACE_DISPOSED' });
  });
});

test('ten million classes: only rows that took part cost memory', () => {
  const classes = 10_000_000;
  const dim = 8;
  const residentBefore = process.memoryUsage.rss();
  using head = new ResidentHead({ classes, dim, optimizer: { kind: 'adamw' }, seed: 3 });
  const own = makeProblem({ batch: 64, classes: 1000, dim });
  for (let k = 0; k < 2; k++) {
    const classIds = sampleClasses({ labels: own.labels, numClasses: classes, rate: 0.001, step: k });
    head.step({ embeddings: own.embeddings, labels: own.labels, classIds, learningRate: 0.01 });
  }
  const weightBytes = 4 * classes * dim;
  // 20,000 rows, each on a page of each of the three parts of the state, then the workspace and what Node itself takes.
  const bound = weightBytes + 20_000 * 3 * 4096 + 64 * 2 ** 20 + 64 * 2 ** 20 + getHeapStatistics().total_heap_size;
  expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(bound);
});
