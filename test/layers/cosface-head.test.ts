import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MarginSoftmax, MarginSoftmaxGrad } from '../../src/kernels/kernel-names.js';
import { registerKernels } from '../../src/kernels/register.js';
import { type CosFaceHead, type CosFaceHeadArgs, cosFaceHead } from '../../src/layers/cosface-head.js';
import { headOf, withoutHead } from '../../src/layers/without-head.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { describeNative } from '../kernels/native-addon.js';
import { randomNumbers, relativeError } from '../problem.js';

const CLASSES = 6;
const FEATURES = 10;

/** Samples around one random point per class. */
function clusters(count: number, seed = 1): { xs: tf.Tensor2D; labels: number[] } {
  const random = randomNumbers(seed);
  const points = Array.from({ length: CLASSES }, () => Array.from({ length: FEATURES }, () => 2 * random() - 1));
  const labels = Array.from({ length: count }, () => Math.floor(random() * CLASSES));
  const xs = labels.map((y) => (points[y] as number[]).map((v) => v + 0.3 * (2 * random() - 1)));
  return { xs: tf.tensor2d(xs), labels };
}

function makeModel(args: Partial<CosFaceHeadArgs> = {}): { model: tfl.Sequential; head: CosFaceHead } {
  const model = tfl.sequential();
  const kernelInitializer = tfl.initializers.glorotNormal({ seed: 3 });
  model.add(tfl.layers.dense({ units: 8, inputShape: [FEATURES], kernelInitializer }));
  const head = cosFaceHead({ numClasses: CLASSES, scale: 16, margin: 0.2, seed: 5, ...args });
  model.add(head);
  return { model, head };
}

function compile(model: tfl.LayersModel, head: CosFaceHead): void {
  model.compile({ optimizer: tf.train.momentum(0.05, 0.9), loss: head.loss, metrics: [head.accuracy] });
}

const centersOf = (head: CosFaceHead) => head.getWeights()[0] as tf.Tensor;

describe.each(['cpu', 'wasm'])('cosFaceHead on %s', (backend) => {
  beforeEach(async () => void (await tf.setBackend(backend)));

  test('a plain fit learns, with validation and a last batch that is smaller', async () => {
    const { model, head } = makeModel();
    compile(model, head);
    const { xs, labels } = clusters(101);
    const options = { epochs: 8, batchSize: 16, validationSplit: 0.2, verbose: 0 as const };
    const { history } = await model.fit(xs, tf.tensor1d(labels, 'int32'), options);
    expect(Object.keys(history).sort()).toEqual(['accuracy', 'loss', 'val_accuracy', 'val_loss']);
    expect(history['loss']?.at(-1)).toBeLessThan(0.2 * (history['loss']?.[0] as number));
    expect(history['accuracy']?.at(-1)).toBeGreaterThan(0.9);
    expect(history['val_accuracy']?.at(-1)).toBeGreaterThan(0.9);
  });

  test.each<[string, (labels: number[]) => tf.Tensor]>([
    ['[N] int32', (labels) => tf.tensor1d(labels, 'int32')],
    ['[N] float32', (labels) => tf.tensor1d(labels, 'float32')],
    ['[N, 1] int32', (labels) => tf.tensor2d(labels, [labels.length, 1], 'int32')],
    ['[N, 1] float32', (labels) => tf.tensor2d(labels, [labels.length, 1], 'float32')],
  ])('labels of %s give the same step, and it is the one of cosFaceLoss', async (_, target) => {
    const { model, head } = makeModel();
    model.compile({ optimizer: tf.train.sgd(0.1), loss: head.loss });
    const { xs, labels } = clusters(12);
    const [kernel, bias] = withoutHead(model).getWeights() as [tf.Tensor2D, tf.Tensor1D];
    const centers = centersOf(head);
    const { value, grads } = tf.valueAndGrads((k: tf.Tensor, b: tf.Tensor, c: tf.Tensor) =>
      cosFaceLoss(tf.add(tf.matMul(xs, k as tf.Tensor2D), b), c, labels, { scale: 16, margin: 0.2 }),
    )([kernel, bias, centers]);
    const expected = [kernel, bias, centers].map((w, i) => tf.sub(w, tf.mul(0.1, grads[i] as tf.Tensor)));
    const { history } = await model.fit(xs, target(labels), { batchSize: 12, shuffle: false, verbose: 0 });
    expect(history['loss']?.[0]).toBeCloseTo(value.dataSync()[0] as number, 4);
    model.getWeights().forEach((w, i) => {
      expect(relativeError(w.dataSync(), [...(expected[i] as tf.Tensor).dataSync()])).toBeLessThan(1e-6);
    });
  });

  test('evaluate gives loss and accuracy, predict the embeddings', () => {
    const { model, head } = makeModel();
    compile(model, head);
    const { xs, labels } = clusters(23);
    const [loss, accuracy] = model.evaluate(xs, tf.tensor1d(labels, 'int32'), { batchSize: 7 }) as tf.Scalar[];
    const embeddings = model.predict(xs) as tf.Tensor;
    expect(embeddings.shape).toEqual([23, 8]);
    const direct = cosFaceLoss(embeddings, centersOf(head), labels, { scale: 16, margin: 0.2 });
    expect(loss?.dataSync()[0]).toBeCloseTo(direct.dataSync()[0] as number, 3);
    const cosines = tf.matMul(embeddings, tf.div(centersOf(head), tf.norm(centersOf(head), 2, 1, true)), false, true);
    const hits = tf.argMax(cosines, 1).dataSync();
    expect(accuracy?.dataSync()[0]).toBeCloseTo(labels.filter((y, i) => hits[i] === y).length / 23, 5);
  });

  test('classWeight weighs each sample’s loss', async () => {
    const classWeight = { 0: 0, 1: 2, 2: 1, 3: 0.5, 4: 3, 5: 1 };
    const { model, head } = makeModel();
    model.compile({ optimizer: tf.train.sgd(0.1), loss: head.loss });
    const { xs, labels } = clusters(12);
    const weights = labels.map((y) => classWeight[y as keyof typeof classWeight]);
    const embeddings = model.predict(xs) as tf.Tensor;
    const start = tf.clone(centersOf(head));
    // fit divides by N, not by the number of weights that are not 0.
    const gradient = tf.grad((c: tf.Tensor) =>
      tf.div(
        cosFaceLoss(embeddings, c, labels, { ...{ scale: 16, margin: 0.2 }, reduction: 'sum', sampleWeights: weights }),
        12,
      ),
    )(start);
    const options = { batchSize: 12, shuffle: false, classWeight, verbose: 0 as const };
    await model.fit(xs, tf.tensor1d(labels, 'int32'), options);
    const expected = tf.sub(start, tf.mul(0.1, gradient));
    expect(relativeError(centersOf(head).dataSync(), [...expected.dataSync()])).toBeLessThan(1e-6);
    // From the second batch on nothing is computed in vain; the result is the same.
    await model.fit(xs, tf.tensor1d(labels, 'int32'), { ...options, epochs: 3 });
    expect(Number.isFinite(centersOf(head).dataSync()[0])).toBe(true);
  });

  test('the centres start with standard deviation 1 / sqrt(D), the same for the same seed', () => {
    const start = (args: object) => {
      const head = cosFaceHead({ numClasses: 500, ...args });
      head.apply(tf.zeros([1, 64]));
      return centersOf(head).dataSync();
    };
    const values = [...start({ seed: 1 })];
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    expect(deviation * 8).toBeGreaterThan(0.98);
    expect(deviation * 8).toBeLessThan(1.02);
    expect(relativeError(start({ seed: 1 }), values)).toBe(0);
    expect(relativeError(start({ seed: 2 }), values)).toBeGreaterThan(1);
    expect(relativeError(start({ seed: 0 }), [...start({ seed: 0 })])).toBe(0);
    expect(relativeError(start({}), [...start({})])).toBeGreaterThan(1);
  });

  test('save, load, compile and go on', async () => {
    const { xs, labels } = clusters(64);
    const target = tf.tensor1d(labels, 'int32');
    const centerInitializer = tfl.initializers.randomUniform({ minval: -0.5, maxval: 0.5, seed: 7 });
    const centerRegularizer = tfl.regularizers.l2({ l2: 1e-3 });
    const extras = {
      centerInitializer,
      centerRegularizer,
      m2: 0.1,
      m3: 0.2,
      ignoreLabel: -7,
      gradient: 'detached' as const,
      precision: 'bf16-gradients' as const,
      gradientTolerance: 1e-3,
    };
    const { model, head } = makeModel({ ...extras, margin: null });
    compile(model, head);
    const fit = (m: tfl.LayersModel) => m.fit(xs, target, { epochs: 3, batchSize: 16, shuffle: false, verbose: 0 });
    await fit(model);
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = JSON.parse(JSON.stringify({ ...artifacts, weightData: undefined }));
        (saved as tf.io.ModelArtifacts).weightData = artifacts.weightData as ArrayBuffer;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      }),
    );
    const loaded = await tfl.loadLayersModel(tf.io.fromMemory(saved as tf.io.ModelArtifacts));
    const loadedHead = headOf(loaded);
    expect(loadedHead.getConfig()).toEqual(head.getConfig());
    expect(loadedHead.getConfig()).toMatchObject({
      ...{ numClasses: CLASSES, scale: 16, m1: 1, m2: 0.1, m3: 0.2, ignoreLabel: -7, gradient: 'detached', seed: 5 },
      ...{ precision: 'bf16-gradients', gradientTolerance: 1e-3 },
      centerInitializer: { className: 'RandomUniform', config: { minval: -0.5, maxval: 0.5, seed: 7 } },
      centerRegularizer: { className: 'L1L2', config: { l2: expect.closeTo(1e-3) } },
    });
    expect([...centersOf(loadedHead).dataSync()]).toEqual([...centersOf(head).dataSync()]);
    compile(loaded, loadedHead);
    compile(model, head);
    const [one, other] = [await fit(model), await fit(loaded)];
    expect(other.history['loss']).toEqual(one.history['loss']);
    expect(other.history['loss']?.at(-1)).toBeLessThan(one.history['loss']?.[0] as number);
  });

  test('a regulariser adds its penalty', async () => {
    const { xs, labels } = clusters(8);
    const losses = await Promise.all(
      [undefined, tfl.regularizers.l2({ l2: 0.5 })].map(async (centerRegularizer) => {
        const { model, head } = makeModel(centerRegularizer && { centerRegularizer });
        model.compile({ optimizer: tf.train.sgd(0), loss: head.loss });
        const squares = tf.sum(tf.square(centersOf(head))).dataSync()[0] as number;
        const { history } = await model.fit(xs, tf.tensor1d(labels), { batchSize: 8, verbose: 0 });
        return { loss: history['loss']?.[0] as number, squares };
      }),
    );
    expect((losses[1]?.loss ?? 0) - (losses[0]?.loss ?? 0)).toBeCloseTo(0.5 * (losses[0]?.squares ?? 0), 3);
  });

  test('withoutHead is the embedding model, and shares the weights', async () => {
    const { model, head } = makeModel();
    compile(model, head);
    const { xs, labels } = clusters(16);
    const embedder = withoutHead(model);
    expect(embedder.outputs[0]?.shape).toEqual([null, 8]);
    expect(embedder.getWeights()).toHaveLength(2);
    await model.fit(xs, tf.tensor1d(labels, 'int32'), { verbose: 0 });
    expect([...(embedder.predict(xs) as tf.Tensor).dataSync()]).toEqual([
      ...(model.predict(xs) as tf.Tensor).dataSync(),
    ]);
    expect(() => withoutHead(embedder)).toThrow(expect.objectContaining({ code: 'COSFACE_SHAPE' }));
    expect(() => headOf(embedder)).toThrow(expect.objectContaining({ code: 'COSFACE_SHAPE' }));
  });

  test('works as a layer of a functional model', async () => {
    const input = tfl.input({ shape: [FEATURES] });
    const head = cosFaceHead({ numClasses: CLASSES, scale: 16 });
    const features = tfl.layers.dense({ units: 4 }).apply(input) as tfl.SymbolicTensor;
    const model = tfl.model({ inputs: input, outputs: head.apply(features) as tfl.SymbolicTensor });
    compile(model, head);
    const { xs, labels } = clusters(20);
    const { history } = await model.fit(xs, tf.tensor1d(labels, 'int32'), { epochs: 5, verbose: 0 });
    expect(history['loss']?.at(-1)).toBeLessThan(history['loss']?.[0] as number);
    expect(withoutHead(model).outputs[0]?.shape).toEqual([null, 4]);
  });

  test('ignored samples have loss 0 and do not count in the accuracy', () => {
    const { head } = makeModel({ ignoreLabel: -1 });
    const embeddings = tf.tensor2d(centersOf(head).dataSync().slice(0, 24), [3, 8]);
    const loss = head.loss(tf.tensor1d([0, -1, 3], 'int32'), embeddings).dataSync();
    expect(loss[1]).toBe(0);
    expect(loss[2]).toBeGreaterThan(1);
    expect(head.accuracy(tf.tensor1d([0, -1, 3], 'int32'), embeddings).dataSync()[0]).toBe(0.5);
    expect(head.accuracy(tf.tensor1d([-1, -1, -1], 'int32'), embeddings).dataSync()[0]).toBe(0);
  });

  test.each([16777217, 2147483647])('an ignored label of %d does not count in the accuracy either', (ignoreLabel) => {
    const { head } = makeModel({ ignoreLabel });
    const embeddings = tf.tensor2d(centersOf(head).dataSync().slice(0, 16), [2, 8]);
    const target = tf.tensor1d([0, ignoreLabel], 'int32');
    expect(head.loss(target, embeddings).dataSync()[1]).toBe(0);
    expect(head.accuracy(target, embeddings).dataSync()[0]).toBe(1);
  });

  test('fit and evaluate leave nothing behind', async () => {
    const { model, head } = makeModel();
    compile(model, head);
    const { xs, labels } = clusters(40);
    const target = tf.tensor1d(labels, 'int32');
    const round = async () => {
      await model.fit(xs, target, { epochs: 1, batchSize: 16, validationSplit: 0.25, verbose: 0 });
      tf.dispose(model.evaluate(xs, target) as tf.Scalar[]);
      tf.dispose(head.loss(target, tf.slice(xs, [0, 0], [40, 8])));
    };
    await round();
    const before = { ids: tf.backend().numDataIds(), ...tf.memory() };
    for (let i = 0; i < 3; i++) await round();
    const after = { ids: tf.backend().numDataIds(), ...tf.memory() };
    // The slice itself, three times.
    expect(after.numTensors - before.numTensors).toBe(3);
    expect(after.numDataBuffers - before.numDataBuffers).toBe(3);
    expect(after.ids - before.ids).toBe(3);
  });

  test.each<[string, () => unknown, string, string]>([
    ['no classes', () => cosFaceHead({ numClasses: 0 }), 'COSFACE_OPTION_RANGE', 'numClasses'],
    ['half a class', () => cosFaceHead({ numClasses: 1.5 }), 'COSFACE_OPTION_RANGE', 'numClasses'],
    ['a bad scale', () => makeModel({ scale: -1 }), 'COSFACE_OPTION_RANGE', 'scale'],
    ['a bad margin', () => makeModel({ margin: 3 }), 'COSFACE_OPTION_RANGE', 'margin'],
    ['a bad precision', () => makeModel({ precision: 'fp64' as 'fp32' }), 'COSFACE_OPTION_RANGE', 'precision'],
    ['a bad tolerance', () => makeModel({ gradientTolerance: 1 }), 'COSFACE_OPTION_RANGE', 'gradientTolerance'],
    ['a margin twice', () => makeModel({ margin: 0.3, m3: 0.3 }), 'COSFACE_OPTION_RANGE', 'margin'],
    ['a misspelt option', () => makeModel({ margn: 0.3 } as object), 'COSFACE_OPTION_RANGE', 'margn'],
    [
      'pictures for input',
      () => cosFaceHead({ numClasses: 2 }).apply(tf.zeros([1, 2, 2])),
      'COSFACE_RANK',
      'embeddings',
    ],
    ['one-hot targets', () => makeModel().head.loss(tf.ones([2, 6]), tf.ones([2, 8])), 'COSFACE_RANK', 'labels'],
    ['half a label', () => makeModel().head.loss(tf.tensor1d([0.5]), tf.ones([1, 8])), 'COSFACE_LABEL_RANGE', 'labels'],
    ...[Number.POSITIVE_INFINITY, Number.NaN, 1e30, 2 ** 32].map((label): [string, () => unknown, string, string] => [
      `a float label of ${label}`,
      () => makeModel().head.loss(tf.tensor1d([label]), tf.ones([1, 8])),
      'COSFACE_LABEL_RANGE',
      'labels',
    ]),
    ['a label of C', () => makeModel().head.loss(tf.tensor1d([6]), tf.ones([1, 8])), 'COSFACE_LABEL_RANGE', 'labels'],
    ['bool targets', () => makeModel().head.loss(tf.ones([1], 'bool'), tf.ones([1, 8])), 'COSFACE_DTYPE', 'labels'],
  ])('%s is refused', (_, action, code, argument) => {
    expect(action).toThrow(expect.objectContaining({ code, argument }));
  });

  test('a head outside any model says what to do', () => {
    expect(() => cosFaceHead({ numClasses: 2 }).loss(tf.tensor1d([0]), tf.ones([1, 8]))).toThrow('no centres yet');
  });
});

describeNative('the work of a training step', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
    expect(registerKernels('cpu')).toBe(true);
  });

  /** The kernels of this package that a fit of one batch runs, each with the number of its outputs. */
  async function kernelsOf(classWeight?: tfl.ClassWeight): Promise<[string, number][]> {
    const { model, head } = makeModel();
    compile(model, head);
    const { xs, labels } = clusters(8);
    const target = tf.tensor1d(labels, 'int32');
    const options = { batchSize: 8, verbose: 0 as const, ...(classWeight && { classWeight }) };
    await model.fit(xs, target, options);
    const profile = await tf.profile(async () => {
      await model.fit(xs, target, options);
      return [];
    });
    const own = profile.kernels.filter(({ name }) => [MarginSoftmax, MarginSoftmaxGrad].includes(name));
    return own.map(({ name, outputShapes }) => [name, outputShapes.length]);
  }

  test('is one forward call for loss, accuracy and gradients', async () => {
    expect(await kernelsOf()).toEqual([[MarginSoftmax, 5]]);
  });

  test('with class weights is a backward call too, and from the second step on no gradients in the forward one', async () => {
    expect(await kernelsOf({ 0: 1, 1: 2, 2: 1, 3: 2, 4: 1, 5: 2 })).toEqual([
      [MarginSoftmax, 3],
      [MarginSoftmaxGrad, 2],
    ]);
  });

  test('an accuracy after a change of the centres is computed anew', () => {
    const { head } = makeModel();
    const centers = tf.clone(centersOf(head));
    const target = tf.range(0, CLASSES, 1, 'int32');
    const accuracies = tf.tidy(() => {
      head.loss(target, centers);
      const before = head.accuracy(target, centers).dataSync()[0];
      head.setWeights([tf.reverse(centers, 0)]);
      return [before, head.accuracy(target, centers).dataSync()[0]] as unknown as tf.TensorContainer;
    });
    expect(accuracies).toEqual([1, 0]);
  });
});
