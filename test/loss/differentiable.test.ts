import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of TensorFlow.js's own operations; tfjs-core alone has none.
import '@tensorflow/tfjs-layers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { arcFaceLoss } from '../../src/loss/arcface-loss.js';
import { centerLoss } from '../../src/loss/center-loss.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { magFaceLoss } from '../../src/loss/magface-loss.js';
import { marginSoftmax } from '../../src/loss/margin-softmax.js';
import { marginSoftmaxLoss } from '../../src/loss/margin-softmax-loss.js';
import { normFaceLoss } from '../../src/loss/normface-loss.js';
import { softmaxLoss } from '../../src/loss/softmax-loss.js';
import { sphereFaceLoss } from '../../src/loss/sphereface-loss.js';
import { tripletLoss } from '../../src/loss/triplet-loss.js';
import { randomProblem, relativeError, tensorsOf } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';

const WEIGHTED = { reduction: 'sum' as const, sampleWeights: [1, 2, 0.5, -1, 3, 0] };

/** Central differences of a function of some numbers. */
function differences(value: (at: number[]) => number, at: number[]): number[] {
  const h = 1e-5;
  const moved = (i: number, by: number) => value(at.map((v, k) => (k === i ? v + by : v)));
  return at.map((_, i) => (moved(i, h) - moved(i, -h)) / (2 * h));
}

const base = randomProblem({ batch: 6, classes: 9, dim: 4, scale: 16 });

/** The backends' own kernels where there is a binary, the composed ops where there is none. */
describe.each(['cpu', 'wasm'])('the losses on %s', (backend) => {
  let x: tf.Tensor;
  let w: tf.Tensor;
  let y: tf.Tensor;
  let before: number;

  beforeEach(async () => {
    await tf.setBackend(backend);
    before = tf.memory().numTensors;
    ({ embeddings: x, weights: w, labels: y } = tensorsOf(base));
  });

  afterEach(() => {
    tf.dispose([x, w, y]);
    expect(tf.memory().numTensors, 'tensors left behind').toBe(before);
  });

  function expectGradients(
    loss: (x: tf.Tensor, w: tf.Tensor) => tf.Tensor,
    problem: ReferenceProblem,
    factor = 1,
  ): void {
    const expected = reference(problem);
    const { value, grads } = tf.valueAndGrads(loss)([x, w]);
    const scaled = (rows: number[][]) => rows.flat().map((g) => factor * g);
    expect(relativeError(value.dataSync(), [factor * expected.reducedLoss])).toBeLessThan(1e-5);
    expect(relativeError(grads[0]?.dataSync() ?? [], scaled(expected.dEmbeddings))).toBeLessThan(1e-5);
    expect(relativeError(grads[1]?.dataSync() ?? [], scaled(expected.dWeights))).toBeLessThan(1e-5);
    tf.dispose([value, grads]);
  }

  test('each named loss is its member of the family, with the papers’ defaults', () => {
    expectGradients((a, b) => cosFaceLoss(a, b, y), { ...base, scale: 64, m3: 0.35 });
    expectGradients((a, b) => arcFaceLoss(a, b, y), { ...base, scale: 64, m2: 0.5 });
    expectGradients((a, b) => sphereFaceLoss(a, b, y), { ...base, scale: 64, m1: 4 });
    expectGradients((a, b) => normFaceLoss(a, b, y), { ...base, scale: 64 });
    expectGradients((a, b) => marginSoftmaxLoss(a, b, y), { ...base, scale: 64 });
    expectGradients((a, b) => marginSoftmax(a, b, y).loss, { ...base, scale: 64 });
  });

  test('every option reaches the kernel', () => {
    const sampleWeights = [1, 0, 2, 0.5, -1, 1];
    const sampleMargins = [0.1, 0.2, 0.3, 0.4, 0.5, 0.25].map(Math.fround);
    const options = { scale: 16, reduction: 'sum' as const, ignoreLabel: 3, sampleWeights, sampleMargins };
    const problem = { ...base, ...options };
    expectGradients((a, b) => cosFaceLoss(a, b, y, options), { ...problem, sampleMarginTerm: 'm3' });
    expectGradients((a, b) => arcFaceLoss(a, b, y, options), { ...problem, sampleMarginTerm: 'm2' });
    expectGradients((a, b) => sphereFaceLoss(a, b, y, options), { ...problem, sampleMarginTerm: 'm1' });
    expectGradients((a, b) => normFaceLoss(a, b, y, options), { ...problem, sampleMarginTerm: 'm3' });
    const all = {
      ...options,
      m1: 1.1,
      m2: 0.1,
      m3: 0.2,
      sampleMarginTerm: 'm2' as const,
      gradient: 'detached' as const,
    };
    expectGradients((a, b) => marginSoftmaxLoss(a, b, y, all), { ...base, ...all });
    expectGradients((a, b) => cosFaceLoss(a, b, y, { scale: 16, margin: 0.1 }), { ...base, m3: 0.1 });
  });

  test('labels, weights and margins may be arrays or tensors', () => {
    const numbers = [0.1, 0.2, 0.3, 0.4, 0.5, 0.25];
    const problem = { ...base, sampleWeights: numbers.map(Math.fround), sampleMargins: numbers.map(Math.fround) };
    const tensor = tf.tensor1d(numbers);
    for (const [labels, values] of [
      [base.labels, numbers],
      [Int32Array.from(base.labels), Float32Array.from(numbers)],
      [y, tensor],
    ] as const) {
      const options = { scale: 16, sampleWeights: values, sampleMargins: values };
      expectGradients((a, b) => cosFaceLoss(a, b, labels, options), problem);
    }
    tensor.dispose();
  });

  test('the gradient that comes from above is a factor', () => {
    expectGradients((a, b) => tf.mul(-3, cosFaceLoss(a, b, y, { scale: 16 })), { ...base, m3: 0.35 }, -3);
    const none = { scale: 16, reduction: 'none' as const };
    expectGradients((a, b) => tf.mean(cosFaceLoss(a, b, y, none)), { ...base, m3: 0.35 });
    const lossGradient = [1, -2, 0, 3, 0.5, 1];
    const expected = reference({ ...base, m3: 0.35, reduction: 'none', lossGradient });
    const grads = tf.grads((a: tf.Tensor, b: tf.Tensor) => cosFaceLoss(a, b, y, none))(
      [x, w],
      tf.tensor1d(lossGradient),
    );
    expect(relativeError(grads[0]?.dataSync() ?? [], expected.dEmbeddings.flat())).toBeLessThan(1e-5);
    expect(relativeError(grads[1]?.dataSync() ?? [], expected.dWeights.flat())).toBeLessThan(1e-5);
    tf.dispose(grads);
    before += 1; // the gradient given to tf.grads
  });

  test('one gradient alone, and both through other operations', () => {
    const expected = reference({ ...base, m3: 0.35 });
    const dX = tf.grad((a: tf.Tensor) => cosFaceLoss(a, w, y, { scale: 16 }))(x);
    expect(relativeError(dX.dataSync(), expected.dEmbeddings.flat())).toBeLessThan(1e-5);
    dX.dispose();
    // x = v / 2: the loss does not see the length, its gradient by v is half of that by x.
    const dV = tf.grad((v: tf.Tensor) => cosFaceLoss(tf.mul(v, 0.5), w, y, { scale: 16 }))(tf.keep(tf.mul(x, 2)));
    expect(
      relativeError(
        dV.dataSync(),
        expected.dEmbeddings.flat().map((g) => g / 2),
      ),
    ).toBeLessThan(1e-5);
    dV.dispose();
    before += 1; // 2 x
  });

  test('an optimiser brings the loss down, and leaks nothing', () => {
    const centers = tf.variable(w as tf.Tensor2D);
    const features = tf.variable(x as tf.Tensor2D);
    const optimizer = tf.train.sgd(0.3);
    const step = () =>
      optimizer.minimize(() => cosFaceLoss(features, centers, y, { scale: 16 }) as tf.Scalar, true) as tf.Scalar;
    const losses: number[] = [];
    let after = { numTensors: 0, numDataBuffers: 0 };
    for (let i = 0; i < 40; i++) {
      const loss = step();
      losses.push(loss.dataSync()[0] as number);
      loss.dispose();
      if (i === 0) after = tf.memory();
    }
    expect(losses.at(-1)).toBeLessThan(0.1 * (losses[0] as number));
    expect(tf.memory()).toMatchObject({ numTensors: after.numTensors, numDataBuffers: after.numDataBuffers });
    optimizer.dispose();
    tf.dispose([centers, features]);
  });

  test('variableGrads finds both variables', () => {
    const centers = tf.variable(w as tf.Tensor2D, true, `centers-${backend}`);
    const { value, grads } = tf.variableGrads(() => cosFaceLoss(x, centers, y, { scale: 16 }) as tf.Scalar);
    const dWeights = grads[`centers-${backend}`]?.dataSync() ?? [];
    expect(relativeError(dWeights, reference({ ...base, m3: 0.35 }).dWeights.flat())).toBeLessThan(1e-5);
    tf.dispose([value, grads, centers]);
  });

  test.each([
    ['targetCosine', (a: tf.Tensor) => tf.sum(marginSoftmax(a, w, y).targetCosine)],
    [
      'targetCosine',
      (a: tf.Tensor) => tf.add(marginSoftmax(a, w, y).loss, tf.sum(marginSoftmax(a, w, y).targetCosine)),
    ],
    ['prediction', (a: tf.Tensor) => tf.sum(tf.cast(marginSoftmax(a, w, y).prediction, 'float32'))],
    [undefined, (a: tf.Tensor) => tf.sum(tf.grad((b: tf.Tensor) => cosFaceLoss(b, w, y))(a))],
    [undefined, (a: tf.Tensor) => tf.sum(tf.grad((b: tf.Tensor) => softmaxLoss(b, w, y))(a))],
    [undefined, (a: tf.Tensor) => tf.sum(tf.grad((b: tf.Tensor) => softmaxLoss(b, w, y, { reduction: 'none' }))(a))],
    [undefined, (a: tf.Tensor) => tf.sum(tf.grad((b: tf.Tensor) => tripletLoss(b, y, { mining: 'all' }))(a))],
    [undefined, (a: tf.Tensor) => tf.sum(tf.grad((b: tf.Tensor) => centerLoss(b, w, y))(a))],
    [undefined, (a: tf.Tensor) => tf.sum(tf.grad((b: tf.Tensor) => magFaceLoss(b, w, y, { leastNorm: 1e-3 }))(a))],
    [
      undefined,
      (a: tf.Tensor) => {
        const weights = (b: tf.Tensor) => cosFaceLoss(a, w, y, { sampleWeights: b });
        return tf.sum(tf.grad(weights)(tf.ones([6])));
      },
    ],
    // The gradient that comes from above belongs to what a gradient depends on, too.
    [
      undefined,
      (a: tf.Tensor) => {
        const scaled = (b: tf.Tensor) => tf.mul(tf.sum(a), cosFaceLoss(b, w, y));
        return tf.sum(tf.grad(scaled)(tf.clone(x)));
      },
    ],
  ])('going back through %s throws instead of giving zeros', (argument, f) => {
    expect(() => tf.grad(f)(x)).toThrow(expect.objectContaining({ code: 'COSFACE_NOT_DIFFERENTIABLE', argument }));
  });

  test.each<[string, (m: number[]) => object, (m: number[]) => object]>([
    ['m3', (m) => ({ sampleMargins: m }), (m) => ({ m3: 0, sampleMargins: m })],
    [
      'm2',
      (m) => ({ sampleMargins: m, sampleMarginTerm: 'm2' as const }),
      (m) => ({ sampleMargins: m, sampleMarginTerm: 'm2' as const }),
    ],
    [
      'm1, weighted sum',
      (m) => ({ m2: 0.1, sampleMargins: m, sampleMarginTerm: 'm1' as const, ...WEIGHTED }),
      (m) => ({ m2: 0.1, sampleMargins: m, sampleMarginTerm: 'm1' as const, ...WEIGHTED }),
    ],
  ])('margins have the gradient of finite differences: %s', (_, options, inReference) => {
    const margins = [0.3, 0.25, 0.5, 1.5, 2, 0.75];
    const value = (m: number[]) => reference({ ...base, ...inReference(m) } as ReferenceProblem).reducedLoss;
    const expected = differences(value, margins);
    const loss = (m: tf.Tensor) => marginSoftmaxLoss(x, w, y, { scale: 16, ...options(margins), sampleMargins: m });
    const gradient = tf.tidy(() => tf.grad(loss)(tf.tensor1d(margins)).dataSync());
    expect(relativeError(gradient, expected)).toBeLessThan(1e-5);
  });

  test.each(['mean', 'sum', 'none'] as const)('weights have the gradient of finite differences: %s', (reduction) => {
    const weights = [1, 0.5, 2, -1, 3, 0.25];
    const value = (v: number[]) => reference({ ...base, m3: 0.35, reduction, sampleWeights: v }).reducedLoss;
    const expected = differences(value, weights);
    const loss = (v: tf.Tensor) => cosFaceLoss(x, w, y, { scale: 16, reduction, sampleWeights: v });
    const gradient = tf.tidy(() => tf.grad(loss)(tf.tensor1d(weights)).dataSync());
    expect(relativeError(gradient, expected)).toBeLessThan(1e-5);
  });

  test('what must not be differentiated may still be looked at', () => {
    const expected = reference({ ...base, m3: 0.35 });
    let cosine: Float32Array | undefined;
    let prediction: Int32Array | undefined;
    const dX = tf.grad((a: tf.Tensor) => {
      const result = marginSoftmax(a, w, y, { scale: 16, m3: 0.35, sampleWeights: tf.ones([6]) });
      cosine = result.targetCosine.dataSync<'float32'>();
      prediction = result.prediction.dataSync<'int32'>();
      return result.loss;
    })(x);
    expect(relativeError(cosine ?? [], expected.targetCosine)).toBeLessThan(1e-6);
    expect([...(prediction ?? [])]).toEqual(expected.prediction);
    expect(relativeError(dX.dataSync(), expected.dEmbeddings.flat())).toBeLessThan(1e-5);
    dX.dispose();
  });
});
