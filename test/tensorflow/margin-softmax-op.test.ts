import type { Tensor } from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { MarginSoftmaxTensors } from '../../src/kernels/margin-softmax-gradient.js';
import { registerKernels } from '../../src/kernels/register.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { registeredKernels } from '../kernels/expect-exact.js';
import { kernelProblem, testAgreement } from '../kernels/kernel-agreement.js';
import { attrsOf, outcomeOf, tensorsOf } from '../problem.js';
import { backend, describeTensorflow, tf } from './tfjs-node.js';

describeTensorflow('the kernels on the backend tensorflow', () => {
  let handles: number;
  let tensors: number;

  beforeAll(async () => {
    await tf.setBackend('tensorflow');
    expect(registerKernels('tensorflow')).toBe(true);
  });

  beforeEach(() => {
    handles = backend().binding.getNumOfTensors();
    tensors = tf.memory().numTensors;
  });

  afterEach(() => {
    expect(tf.memory().numTensors, 'tensors left behind').toBe(tensors);
    expect(backend().binding.getNumOfTensors(), 'handles left behind').toBe(handles);
  });

  testAgreement();

  test('scale and margins arrive as the doubles they are, to the last bit of every result', async () => {
    // 0.35 as a float would be off by 6e-9, which scale 1000 makes 6e-6 in the logits.
    const problem = kernelProblem({ scale: 1000.1, m1: 1.1, m2: 0.35 });
    const onTensorflow = outcomeOf(registeredKernels, problem);
    await tf.setBackend('cpu');
    try {
      expect(registerKernels('cpu')).toBe(true);
      expect(onTensorflow).toEqual(outcomeOf(registeredKernels, problem));
    } finally {
      await tf.setBackend('tensorflow');
    }
  });

  test.each([false, true])('withGradients %s: exactly the outputs there are', (withGradients) => {
    tf.tidy(() => {
      const outputs = registeredKernels.marginSoftmax(tensorsOf(kernelProblem()), {
        ...attrsOf(kernelProblem()),
        withGradients,
      });
      const gradients = withGradients ? ['19,17', '37,17'] : [];
      expect(outputs.map(({ shape }) => shape.join())).toEqual(['', '19', '19', ...gradients]);
      expect(outputs.slice(0, 3).map(({ dtype }) => dtype)).toEqual(['float32', 'float32', 'int32']);
    });
  });

  /** The loss functions check dtypes and shapes before the op; here it has to do so itself. */
  test.each<[string, (good: MarginSoftmaxTensors) => Record<string, Tensor>, object]>([
    ['labels of float32', (t) => ({ labels: t.labels.toFloat() }), { code: 'COSFACE_DTYPE', argument: 'labels' }],
    ['labels of bool', (t) => ({ labels: t.labels.cast('bool') }), { code: 'COSFACE_DTYPE', argument: 'labels' }],
    [
      'embeddings of int32',
      (t) => ({ embeddings: t.embeddings.toInt() }),
      { code: 'COSFACE_DTYPE', argument: 'embeddings' },
    ],
    [
      'embeddings of rank 1',
      (t) => ({ embeddings: t.embeddings.flatten() }),
      { code: 'COSFACE_RANK', argument: 'embeddings' },
    ],
    ['weights of rank 3', (t) => ({ weights: t.weights.expandDims(0) }), { code: 'COSFACE_RANK', argument: 'weights' }],
    ['labels of rank 2', (t) => ({ labels: t.labels.expandDims(0) }), { code: 'COSFACE_RANK', argument: 'labels' }],
    [
      'weights of another dim',
      (t) => ({ weights: t.weights.slice([0, 0], [37, 16]) }),
      { code: 'COSFACE_SHAPE', argument: 'weights' },
    ],
    [
      'labels of another batch',
      (t) => ({ labels: t.labels.slice(0, 18) }),
      { code: 'COSFACE_SHAPE', argument: 'labels' },
    ],
    [
      'sampleWeights too short',
      () => ({ sampleWeights: tf.ones([3]) }),
      { code: 'COSFACE_SHAPE', argument: 'sampleWeights' },
    ],
    [
      'sampleMargins of rank 2',
      () => ({ sampleM3: tf.ones([19, 1]) }),
      { code: 'COSFACE_RANK', argument: 'sampleMargins' },
    ],
    [
      'a NaN',
      (t) => ({ embeddings: t.embeddings.mul(Number.NaN) }),
      { code: 'COSFACE_NOT_FINITE', argument: 'embeddings', index: 0 },
    ],
    [
      'a margin out of range',
      () => ({ sampleM3: tf.fill([19], 3) }),
      { code: 'COSFACE_MARGIN_RANGE', argument: 'sampleMargins', index: 0 },
    ],
  ])('%s: an error that says so, and nothing left behind', (_, change, expected) => {
    tf.tidy(() => {
      const good = tensorsOf(kernelProblem());
      const attrs = { ...attrsOf(kernelProblem()), withGradients: true };
      expect(() => registeredKernels.marginSoftmax({ ...good, ...change(good) }, attrs)).toThrow(
        expect.objectContaining(expected),
      );
      expect(registeredKernels.marginSoftmax(good, attrs)).toHaveLength(5);
    });
  });

  test('a loss gradient of the wrong shape is an error', () => {
    tf.tidy(() => {
      const problem = kernelProblem({ reduction: 'none' });
      const gradient = () => registeredKernels.marginSoftmaxGrad(tensorsOf(problem), tf.ones([18]), attrsOf(problem));
      expect(gradient).toThrow(expect.objectContaining({ code: 'COSFACE_SHAPE', argument: 'lossGradient' }));
      const scalar = () =>
        registeredKernels.marginSoftmaxGrad(tensorsOf(problem), tf.ones([19]), attrsOf(kernelProblem()));
      expect(scalar).toThrow(expect.objectContaining({ code: 'COSFACE_RANK', argument: 'lossGradient' }));
    });
  });

  test('a label out of range is told as everywhere: code, argument, index and the whole text', () => {
    tf.tidy(() => {
      const labels = Array.from({ length: 19 }, (_, i) => (i === 17 ? 37 : i));
      const { embeddings, weights } = tensorsOf(kernelProblem());
      let caught: unknown;
      try {
        cosFaceLoss(embeddings, weights, labels);
      } catch (error) {
        caught = error;
      }
      expect(caught).toMatchObject({
        name: 'CosFaceError',
        code: 'COSFACE_LABEL_RANGE',
        argument: 'labels',
        index: 17,
      });
      expect((caught as Error).message).toMatch(/^COSFACE_LABEL_RANGE: labels\[17\] is 37\b[^{}]*$/);
    });
  });

  test('a scale that is none', () => {
    tf.tidy(() => {
      const run = () =>
        registeredKernels.marginSoftmax(tensorsOf(kernelProblem()), {
          ...attrsOf(kernelProblem()),
          scale: -1,
          withGradients: false,
        });
      expect(run).toThrow(expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument: 'scale' }));
    });
  });

  test.each([
    ['precision', 'fp16', { code: 'COSFACE_TENSORFLOW', message: expect.stringContaining('"bf16-gradients"') }],
    ['gradientTolerance', 1, { code: 'COSFACE_OPTION_RANGE', argument: 'gradientTolerance' }],
  ])('%s reaches the op, from both kernels', (argument, value, expected) => {
    tf.tidy(() => {
      const attrs = { ...attrsOf(kernelProblem()), withGradients: false, [argument]: value };
      const refused = expect.objectContaining(expected);
      expect(() => registeredKernels.marginSoftmax(tensorsOf(kernelProblem()), attrs)).toThrow(refused);
      expect(() => registeredKernels.marginSoftmaxGrad(tensorsOf(kernelProblem()), tf.scalar(1), attrs)).toThrow(
        refused,
      );
    });
  });

  test('a disposed tensor is an error and not a crash', () => {
    tf.tidy(() => {
      const good = tensorsOf(kernelProblem());
      good.weights.dispose();
      expect(() =>
        registeredKernels.marginSoftmax(good, { ...attrsOf(kernelProblem()), withGradients: false }),
      ).toThrow();
      expect(() => cosFaceLoss(good.embeddings, good.weights, good.labels)).toThrow(
        expect.objectContaining({ code: 'COSFACE_DISPOSED' }),
      );
    });
  });
});
