import type { LayersModel, Scalar, Tensor } from '@tensorflow/tfjs-node';
import { expect, test } from 'vitest';
import { cosFaceHead } from '../../src/layers/cosface-head.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { randomProblem, relativeError, tensorsOf } from '../problem.js';
import { reference } from '../reference.js';
import { backend, describeTensorflow, tf } from './tfjs-node.js';

const problem = randomProblem({ batch: 24, classes: 6, dim: 8, scale: 16, m3: 0.35 });

describeTensorflow('training on the backend tensorflow', () => {
  test('tf.grads behind an upstream product, and a factor on the loss', () => {
    tf.tidy(() => {
      const { embeddings, weights, labels } = tensorsOf(problem);
      const loss = (x: Tensor, w: Tensor) => tf.mul(cosFaceLoss(tf.matMul(x, tf.eye(8)), w, labels, { scale: 16 }), 3);
      const [dx, dw] = tf.grads(loss)([embeddings, weights]);
      const { dEmbeddings, dWeights } = reference(problem);
      expect(
        relativeError(
          dx?.dataSync() ?? [],
          dEmbeddings.flat().map((g) => 3 * g),
        ),
      ).toBeLessThan(1e-5);
      expect(
        relativeError(
          dw?.dataSync() ?? [],
          dWeights.flat().map((g) => 3 * g),
        ),
      ).toBeLessThan(1e-5);
    });
  });

  test('variableGrads gives the gradients of the variables only', () => {
    tf.tidy(() => {
      const { embeddings, weights, labels } = tensorsOf(problem);
      const w = tf.variable(weights);
      const { value, grads } = tf.variableGrads(() => cosFaceLoss(embeddings, w, labels, { scale: 16 }) as Scalar, [w]);
      const expected = reference(problem);
      expect(relativeError(value.dataSync(), [expected.reducedLoss])).toBeLessThan(2e-6);
      expect(Object.keys(grads)).toEqual([w.name]);
      expect(relativeError(grads[w.name]?.dataSync() ?? [], expected.dWeights.flat())).toBeLessThan(1e-5);
      w.dispose();
    });
  });

  test('minimize: the loss falls, and each step gives back what it took', () => {
    const { embeddings, weights, labels } = tensorsOf(problem);
    const x = tf.variable(embeddings);
    const w = tf.variable(weights);
    const optimizer = tf.train.momentum(0.05, 0.9);
    const step = () => {
      const loss = optimizer.minimize(() => cosFaceLoss(x, w, labels, { scale: 16 }) as Scalar, true, [x, w]) as Scalar;
      const [value] = loss.dataSync();
      loss.dispose();
      return value as number;
    };
    const first = step();
    step();
    const [tensors, handles] = [tf.memory().numTensors, backend().binding.getNumOfTensors()];
    let last = first;
    for (let i = 0; i < 60; i++) last = step();
    expect(last).toBeLessThan(first / 10);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(backend().binding.getNumOfTensors()).toBe(handles);
    tf.dispose([embeddings, weights, labels, x, w]);
    optimizer.dispose();
  });

  test('model.fit with the head', async () => {
    const model = tf.sequential();
    const head = cosFaceHead({ numClasses: 4, scale: 16, margin: 0.2 });
    model.add(
      tf.layers.dense({ units: 8, inputShape: [4], kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }) }),
    );
    model.add(head as never);
    model.compile({ optimizer: tf.train.adam(0.02), loss: head.loss as never, metrics: [head.accuracy as never] });
    const faces = tf.tidy(() => tf.tile(tf.eye(4), [8, 1]).add(tf.randomNormal([32, 4], 0, 0.05, 'float32', 7)));
    const labels = tf.tensor1d(
      Array.from({ length: 32 }, (_, i) => i % 4),
      'int32',
    );
    const { history } = await (model as LayersModel).fit(faces, labels, { epochs: 30, batchSize: 16, verbose: 0 });
    const losses = history['loss'] as number[];
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) / 4);
    const accuracy = Object.entries(history).find(([name]) => name !== 'loss')?.[1] as number[];
    expect(accuracy.at(-1)).toBe(1);
    tf.dispose([faces, labels]);
    model.dispose();
  });
});
