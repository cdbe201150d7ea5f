import * as tf from '@tensorflow/tfjs-core';
// Registers the gradients of TensorFlow.js's own operations.
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import * as cosface from '../../../src/index.js';
import { randomProblem, relativeError, tensorsOf } from '../../problem.js';

type Loss = (...args: unknown[]) => tf.Tensor;
const lossOf = (name: string) => (cosface as unknown as Record<string, Loss>)[name] as Loss;
const WITH_CLASSES = [
  ...['softmaxLoss', 'lSoftmaxLoss', 'aSoftmaxLoss', 'sphereFaceLoss', 'normFaceLoss', 'cosFaceLoss', 'arcFaceLoss'],
  ...['adaCosLoss', 'adaFaceLoss', 'magFaceLoss', 'curricularFaceLoss', 'mvSoftmaxLoss', 'subCenterArcFaceLoss'],
  ...['circleLoss', 'sphereFace2Loss', 'uniFaceLoss', 'centerLoss'],
];
const problem = randomProblem({ batch: 4, classes: 6, dim: 5 });

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  test.each<[string, object | (() => object), string, string?]>([
    ['softmaxLoss', { margin: 1 }, 'margin'],
    ['softmaxLoss', { labelSmoothing: 1 }, 'labelSmoothing'],
    ['softmaxLoss', () => ({ bias: tf.zeros([5]) }), 'bias', 'COSFACE_SHAPE'],
    ['softmaxLoss', { bias: [1, 2] }, 'bias', 'COSFACE_DTYPE'],
    ['sphereFace2Loss', () => ({ bias: tf.zeros([6]) }), 'bias', 'COSFACE_SHAPE'],
    ['aSoftmaxLoss', { lambda: -1 }, 'lambda'],
    ['cosFaceLoss', { interclassFilter: -1 }, 'interclassFilter'],
    ['cosFaceLoss', { interclassFilter: 0.3, normalizeEmbeddings: false }, 'interclassFilter'],
    ['cosFaceLoss', { normalizeEmbeddings: 0 }, 'normalizeEmbeddings'],
    ['cosFaceLoss', { subCenters: 4 }, 'weights', 'COSFACE_SHAPE'],
    ['cosFaceLoss', { subCenters: 1.5 }, 'subCenters'],
    ['marginSoftmaxLoss', { negatives: { kind: 'soft', t: 1 } }, 'negatives.kind'],
    ['marginSoftmaxLoss', { negatives: { kind: 'mv-am', t: -1 } }, 'negatives.t'],
    ['arcFaceLoss', { fallback: 'soft' }, 'fallback'],
    ['adaCosLoss', { scale: 3, state: { scale: 0 } }, 'state.scale'],
    ['adaFaceLoss', { sampleMargins: [1, 1, 1, 1] }, 'sampleMargins'],
    ['adaFaceLoss', { state: { mean: 1, deviation: -1 } }, 'state.deviation'],
    ['magFaceLoss', { leastNorm: 10, largestNorm: 5 }, 'largestNorm'],
    ['curricularFaceLoss', { state: { t: 2 } }, 'state.t'],
    ['mvSoftmaxLoss', { kind: 'cos' }, 'kind'],
    ['sphereFace2Loss', { balance: 1 }, 'balance'],
    ['uniFaceLoss', { bias: Number.NaN }, 'bias'],
    ['circleLoss', { margin: -1 }, 'margin'],
    ['centerLoss', { centerGradient: 'mean' }, 'centerGradient'],
  ])('%s refuses %o', (name, options, argument, code = 'COSFACE_OPTION_RANGE') => {
    const { embeddings, weights, labels } = tensorsOf(problem);
    const given = typeof options === 'function' ? options() : options;
    const { numTensors } = tf.memory();
    expect(() => lossOf(name)(embeddings, weights, labels, given)).toThrow(expect.objectContaining({ code, argument }));
    expect(tf.memory().numTensors).toBe(numTensors);
    tf.dispose([embeddings, weights, labels]);
  });

  test.each<[string, object, string]>([
    ['contrastiveLoss', { form: 'cubed' }, 'form'],
    ['contrastiveLoss', { reduction: 'none' }, 'reduction'],
    ['tripletLoss', { mining: 'easy' }, 'mining'],
    ['tripletLoss', { scale: 1 }, 'scale'],
  ])('%s refuses %o', (name, options, argument) => {
    const { embeddings, labels } = tensorsOf(problem);
    expect(() => lossOf(name)(embeddings, labels, options)).toThrow(
      expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument }),
    );
  });

  test.each(WITH_CLASSES)('%s names a bad value, keeps its state then, and leaves nothing behind', (name) => {
    const states = {
      adaCosLoss: { scale: 4 },
      adaFaceLoss: { mean: 20, deviation: 100 },
      curricularFaceLoss: { t: 0.1 },
    };
    const state = (states as Record<string, object>)[name];
    const before = structuredClone(state);
    const { embeddings, weights, labels } = tensorsOf(problem);
    const bad = tf.tidy(() => tf.mul(embeddings, tf.tensor1d([1, Number.NaN, 1, 1, 1])));
    const none = { ...tf.memory(), ids: tf.backend().numDataIds() };
    const options = { ...(state && { state }), ...(name === 'subCenterArcFaceLoss' && { subCenters: 1 }) };
    for (const differentiate of [false, true]) {
      const throws = (call: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, expected: object) =>
        expect(() => (differentiate ? tf.grad(call)(x) : call(x))).toThrow(expect.objectContaining(expected));
      throws((x) => lossOf(name)(x, weights, labels, options), bad, {
        code: 'COSFACE_NOT_FINITE',
        argument: 'embeddings',
      });
      throws((x) => lossOf(name)(x, weights, [0, 1, 6, 2], options), embeddings, {
        code: 'COSFACE_LABEL_RANGE',
        index: 2,
      });
    }
    expect(state).toEqual(before);
    for (let i = 0; i < 10; i++) {
      tf.dispose(lossOf(name)(embeddings, weights, problem.labels, { ...options, sampleWeights: [1, 2, 3, 0] }));
      const both = (x: tf.Tensor, w: tf.Tensor) => lossOf(name)(x, w, problem.labels, options);
      tf.dispose(tf.grads(both)([embeddings, weights]));
      const none = (x: tf.Tensor, w: tf.Tensor) => lossOf(name)(x, w, labels, { ...options, reduction: 'none' });
      tf.dispose(tf.grads(none)([embeddings, weights]));
    }
    if (state) expect(state).not.toEqual(before);
    expect(tf.memory().numTensors).toBe(none.numTensors);
    expect(tf.backend().numDataIds()).toBe(none.ids);
    tf.dispose([embeddings, weights, labels, bad]);
  });

  test.each(['sphereFace2Loss', 'uniFaceLoss'])('%s has a gradient by its bias', (name) => {
    const { embeddings, weights, labels } = tensorsOf(problem);
    const loss = (b: tf.Tensor) => lossOf(name)(embeddings, weights, labels, { bias: b, scale: 8 });
    const gradient = tf.grad(loss)(tf.scalar(1.5)).dataSync()[0] as number;
    const at = (b: number) => loss(tf.scalar(b)).dataSync()[0] as number;
    expect(relativeError([gradient], [(at(1.6) - at(1.4)) / 0.2])).toBeLessThan(1e-2);
  });

  test('averaged centres move as the paper says', () => {
    const x = tf.tensor2d([[1, 2], [3, 2], [0, 1]]); // biome-ignore format: three samples
    const centers = tf.tensor2d([[1, 1], [2, 2]]); // biome-ignore format: two centres
    const move = tf.grad((c: tf.Tensor) => lossOf('centerLoss')(x, c, [0, 0, 1], { centerGradient: 'averaged' }))(
      centers,
    );
    // (2 c_0 - x_0 - x_1) / 3 and (c_1 - x_2) / 2.
    expect(relativeError(move.dataSync(), [-2 / 3, -2 / 3, 1, 0.5])).toBeLessThan(1e-6);
  });
});

test('schedules and scales', () => {
  expect(cosface.annealedLambda({ step: 0 })).toBe(1000);
  expect(cosface.annealedLambda({ step: 1658 })).toBeGreaterThan(5);
  expect(cosface.annealedLambda({ step: 1659 })).toBe(5);
  expect(cosface.adaCosScale({ numClasses: 10575 })).toBeCloseTo(13.1, 1);
  expect(cosface.adaCosScale({ numClasses: 1 })).toBeCloseTo(Math.SQRT2 * Math.LN2, 12);
  for (const numClasses of [2, 3, 4, 100, 10575]) {
    // Where all cosines are 0, the pull of the positive part is that of all negatives.
    const b = cosface.sphereFace2Bias({ numClasses });
    const atZero = 2 * 0.5 ** 3 - 1;
    const sigmoid = (u: number) => 1 / (1 + Math.exp(-u));
    const own = 0.7 * sigmoid(-(40 * (atZero - 0.4) + b));
    const others = 0.3 * (numClasses - 1) * sigmoid(40 * (atZero + 0.4) + b);
    expect(others / own).toBeCloseTo(1, 6);
  }
});
