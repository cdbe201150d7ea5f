import { expect, test, vi } from 'vitest';
import * as cosface from '../../src/index.js';
import { testFamily } from '../loss/family/family-tests.js';
import { testVectors } from '../loss/family/vector-tests.js';
import { randomProblem, tensorsOf } from '../problem.js';
import { backend, describeTensorflow, tf } from './tfjs-node.js';

// An error where the op refuses: no case goes to the composed ops unseen.
process.env['COSFACE_BACKEND'] = 'native';

describeTensorflow('the family by the op', () => {
  testFamily(['tensorflow']);
  testVectors(['tensorflow']);

  test('what may change at every step is no attribute, which TensorFlow would keep a kernel for', async () => {
    await tf.setBackend('tensorflow');
    const { embeddings, weights, labels } = tensorsOf(randomProblem({ batch: 4, classes: 6, dim: 5 }));
    const run = vi.spyOn(backend(), 'executeMultipleOutputs');
    for (const v of [0.1, 0.2]) {
      const all = { scale: 8 + v, m1: 1 + v, m2: v, m3: v, lambda: v, gradientTolerance: v, interclassFilter: 1 - v };
      tf.dispose(
        cosface.marginSoftmaxLoss(embeddings, weights, labels, { ...all, negatives: { kind: 'curricular', t: v } }),
      );
      tf.dispose(cosface.softmaxLoss(embeddings, weights, labels, { labelSmoothing: v }));
      tf.dispose(cosface.sphereFace2Loss(embeddings, weights, labels, { balance: v, exponent: 1 + v, bias: v }));
    }
    const calls = run.mock.calls.filter(([name]) => name === 'CosfaceMarginSoftmaxV2').map(([, attrs]) => attrs);
    run.mockRestore();
    expect(calls).toHaveLength(6);
    expect(calls.slice(3)).toEqual(calls.slice(0, 3));
    tf.dispose([embeddings, weights, labels]);
  });

  test('every input that may be given has its gradient, none leaves a handle behind, also with an empty batch', () => {
    const whole = randomProblem({ batch: 4, classes: 6, dim: 5 });
    for (const batch of [4, 0]) {
      const { embeddings, weights, labels } = tensorsOf({
        ...whole,
        embeddings: whole.embeddings.slice(0, batch),
        labels: whole.labels.slice(0, batch),
      });
      const given = [embeddings, weights, tf.ones([batch]), tf.ones([batch]), tf.zeros([batch]), tf.zeros([6])];
      const { binding } = backend();
      let [handles, tensors] = [0, 0];
      for (const reduction of ['mean', 'none', 'mean'] as const) {
        const loss = (...[x, w, sampleWeights, m1, m3, bias]: ReturnType<typeof tf.clone>[]) =>
          cosface.marginSoftmaxLoss(x as never, w as never, labels, {
            ...{ scale: 8, reduction, sampleWeights, bias, sampleMargins: { m1, m3 } },
          } as never);
        const gradients = tf.grads(loss as never)(given as never) as ReturnType<typeof tf.clone>[];
        expect(gradients.map(({ shape }) => shape)).toEqual(given.map(({ shape }) => shape));
        tf.dispose(gradients);
        // The first call hands the inputs over to TensorFlow.
        handles ||= binding.getNumOfTensors();
        tensors ||= tf.memory().numTensors;
      }
      expect(binding.getNumOfTensors()).toBe(handles);
      expect(tf.memory().numTensors).toBe(tensors);
      tf.dispose([given, labels]);
    }
  });
});
