import type { Tensor } from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { MarginSoftmaxTensors } from '../../src/kernels/margin-softmax-gradient.js';
import { registerKernels } from '../../src/kernels/register.js';
import { composedExecutor } from '../../src/loss/composed.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { HARD_PROBLEMS, SCALES, UNSTEADY_PROBLEMS } from '../hard-problems.js';
import { expectExact, registeredKernels } from '../kernels/expect-exact.js';
import { attrsOf, outcomeOf, type ProblemOptions, randomProblem, relativeError, tensorsOf } from '../problem.js';
import { type ReferenceProblem, reference } from '../reference.js';
import { backend, describeTensorflow, tf } from './tfjs-node.js';

const random = (options: Partial<ProblemOptions> = {}) =>
  randomProblem({ batch: 19, classes: 37, dim: 17, m3: 0.35, ...options });

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

  test.each([
    ['NormFace', { m3: 0 }],
    ['CosFace', {}],
    ['ArcFace', { m3: 0, m2: 0.5 }],
    ['ArcFace, detached', { m3: 0, m2: 0.5, gradient: 'detached' as const }],
    ['SphereFace', { m3: 0, m1: 4 }],
    ['all margins', { m1: 1.3, m2: 0.2, m3: 0.1 }],
    ['sum', { reduction: 'sum' as const }],
    ['none', { reduction: 'none' as const }],
    [
      'none with a loss gradient',
      { reduction: 'none' as const, lossGradient: Array.from({ length: 19 }, (_, i) => i - 7) },
    ],
  ])('%s agrees with the reference', (_, options) => {
    expectExact(random(options));
  });

  test.each(SCALES)('scale %d agrees with the reference', (scale) => {
    for (const classes of [2, 20, 300]) expectExact(random({ scale, classes }));
  });

  test.each(Object.keys(HARD_PROBLEMS))('%s agrees with the reference', (name) => {
    expectExact(HARD_PROBLEMS[name] as ReferenceProblem);
  });

  test.each(Object.keys({ ...HARD_PROBLEMS, ...UNSTEADY_PROBLEMS }))('%s agrees with the composed ops', (name) => {
    const problem = { ...HARD_PROBLEMS, ...UNSTEADY_PROBLEMS }[name] as ReferenceProblem;
    const actual = outcomeOf(registeredKernels, problem);
    const composed = outcomeOf(composedExecutor(), problem);
    // See the bound in test/loss/composed.test.ts for the margins on an angle of 0 or pi.
    const tolerance = name in UNSTEADY_PROBLEMS ? (8 * Math.sin(0.5)) / 1e-4 / 2 ** 24 : 1e-4;
    expect(relativeError(actual.loss, [...composed.loss])).toBeLessThan(1e-4);
    expect(relativeError(actual.dEmbeddings, [...composed.dEmbeddings])).toBeLessThan(tolerance);
    expect(relativeError(actual.dWeights, [...composed.dWeights])).toBeLessThan(tolerance);
  });

  test('scale and margins arrive as the doubles they are, to the last bit of every result', async () => {
    // 0.35 as a float would be off by 6e-9, which scale 1000 makes 6e-6 in the logits.
    const problem = random({ scale: 1000.1, m1: 1.1, m2: 0.35 });
    const onTensorflow = outcomeOf(registeredKernels, problem);
    await tf.setBackend('cpu');
    try {
      expect(registerKernels('cpu')).toBe(true);
      expect(onTensorflow).toEqual(outcomeOf(registeredKernels, problem));
    } finally {
      await tf.setBackend('tensorflow');
    }
  });

  test('no samples: loss 0, gradients 0', () => {
    const { loss, dEmbeddings, dWeights } = outcomeOf(
      registeredKernels,
      randomProblem({ batch: 0, classes: 3, dim: 4 }),
    );
    expect([...loss]).toEqual([0]);
    expect(dEmbeddings).toHaveLength(0);
    expect([...dWeights]).toEqual(new Array(12).fill(0));
  });

  test.each(['mean', 'sum'] as const)('MarginSoftmaxGrad scales the gradient of the %s', (reduction) => {
    const problem = random({ reduction, sampleWeights: Array.from({ length: 19 }, (_, i) => i % 3), ignoreLabel: 4 });
    const expected = reference(problem);
    tf.tidy(() => {
      const [dEmbeddings, dWeights] = registeredKernels.marginSoftmaxGrad(
        tensorsOf(problem),
        tf.scalar(-2.5),
        attrsOf(problem),
      );
      const scaled = (rows: number[][]) => rows.flat().map((g) => -2.5 * g);
      expect(relativeError(dEmbeddings?.dataSync() ?? [], scaled(expected.dEmbeddings))).toBeLessThan(1e-5);
      expect(relativeError(dWeights?.dataSync() ?? [], scaled(expected.dWeights))).toBeLessThan(1e-5);
    });
  });

  test.each([false, true])('withGradients %s: exactly the outputs there are', (withGradients) => {
    tf.tidy(() => {
      const outputs = registeredKernels.marginSoftmax(tensorsOf(random()), { ...attrsOf(random()), withGradients });
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
      const good = tensorsOf(random());
      const attrs = { ...attrsOf(random()), withGradients: true };
      expect(() => registeredKernels.marginSoftmax({ ...good, ...change(good) }, attrs)).toThrow(
        expect.objectContaining(expected),
      );
      expect(registeredKernels.marginSoftmax(good, attrs)).toHaveLength(5);
    });
  });

  test('a loss gradient of the wrong shape is an error', () => {
    tf.tidy(() => {
      const problem = random({ reduction: 'none' });
      const gradient = () => registeredKernels.marginSoftmaxGrad(tensorsOf(problem), tf.ones([18]), attrsOf(problem));
      expect(gradient).toThrow(expect.objectContaining({ code: 'COSFACE_SHAPE', argument: 'lossGradient' }));
      const scalar = () => registeredKernels.marginSoftmaxGrad(tensorsOf(problem), tf.ones([19]), attrsOf(random()));
      expect(scalar).toThrow(expect.objectContaining({ code: 'COSFACE_RANK', argument: 'lossGradient' }));
    });
  });

  test('a label out of range is told as everywhere: code, argument, index and the whole text', () => {
    tf.tidy(() => {
      const labels = Array.from({ length: 19 }, (_, i) => (i === 17 ? 37 : i));
      const { embeddings, weights } = tensorsOf(random());
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
        registeredKernels.marginSoftmax(tensorsOf(random()), { ...attrsOf(random()), scale: -1, withGradients: false });
      expect(run).toThrow(expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument: 'scale' }));
    });
  });

  test.each([
    ['precision', 'fp16', { code: 'COSFACE_TENSORFLOW', message: expect.stringContaining('"bf16-gradients"') }],
    ['gradientTolerance', 1, { code: 'COSFACE_OPTION_RANGE', argument: 'gradientTolerance' }],
  ])('%s reaches the op, from both kernels', (argument, value, expected) => {
    tf.tidy(() => {
      const attrs = { ...attrsOf(random()), withGradients: false, [argument]: value };
      const refused = expect.objectContaining(expected);
      expect(() => registeredKernels.marginSoftmax(tensorsOf(random()), attrs)).toThrow(refused);
      expect(() => registeredKernels.marginSoftmaxGrad(tensorsOf(random()), tf.scalar(1), attrs)).toThrow(refused);
    });
  });

  test('a disposed tensor is an error and not a crash', () => {
    tf.tidy(() => {
      const good = tensorsOf(random());
      good.weights.dispose();
      expect(() => registeredKernels.marginSoftmax(good, { ...attrsOf(random()), withGradients: false })).toThrow();
      expect(() => cosFaceLoss(good.embeddings, good.weights, good.labels)).toThrow(
        expect.objectContaining({ code: 'COSFACE_DISPOSED' }),
      );
    });
  });
});
