import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeEach, expect, test } from 'vitest';
import { cosFaceHead } from '../../src/layers/cosface-head.js';
import {
  type ResidentCosFaceHead,
  type ResidentCosFaceHeadArgs,
  residentCosFaceHead,
} from '../../src/layers/resident-cosface-head.js';
import { headOf, withoutHead } from '../../src/layers/without-head.js';
import { loadResidentHead, saveResidentHead } from '../../src/models/index.js';
import { describeNative } from '../kernels/native-addon.js';
import { randomNumbers, relativeError } from '../problem.js';

const CLASSES = 40;
const FEATURES = 10;

/** Samples around one random point per class. */
function clusters(count: number, seed = 1): { xs: tf.Tensor2D; labels: tf.Tensor1D } {
  const random = randomNumbers(seed);
  const points = Array.from({ length: CLASSES }, () => Array.from({ length: FEATURES }, () => 2 * random() - 1));
  const labels = Array.from({ length: count }, () => Math.floor(random() * CLASSES));
  const xs = labels.map((y) => (points[y] as number[]).map((v) => v + 0.1 * (2 * random() - 1)));
  return { xs: tf.tensor2d(xs), labels: tf.tensor1d(labels, 'int32') };
}

function embedder(): tfl.Sequential {
  const model = tfl.sequential();
  const kernelInitializer = tfl.initializers.glorotNormal({ seed: 3 });
  model.add(tfl.layers.dense({ units: 16, inputShape: [FEATURES], kernelInitializer }));
  return model;
}

function makeModel(args: Partial<ResidentCosFaceHeadArgs> = {}): { model: tfl.Sequential; head: ResidentCosFaceHead } {
  const model = embedder();
  const head = residentCosFaceHead({
    ...{ numClasses: CLASSES, scale: 16, margin: 0.2, seed: 5, learningRate: 0.05 },
    ...args,
  });
  model.add(head);
  model.compile({ optimizer: tf.train.momentum(0.05, 0.9), loss: head.loss, metrics: [head.accuracy] });
  return { model, head };
}

describeNative.each(['cpu', 'wasm'])('residentCosFaceHead on %s', (backend) => {
  beforeEach(async () => void (await tf.setBackend(backend)));

  test('some steps of fit are those of cosFaceHead with tf.train.momentum, with an uneven last batch', async () => {
    const { model, head } = makeModel();
    const other = embedder();
    const plain = cosFaceHead({ numClasses: CLASSES, scale: 16, margin: 0.2 });
    other.add(plain);
    other.compile({ optimizer: tf.train.momentum(0.05, 0.9), loss: plain.loss, metrics: [plain.accuracy] });
    plain.setWeights([tf.tensor2d(head.resident.read(), [CLASSES, 16])]);
    const { xs, labels } = clusters(45);
    const options = { epochs: 2, batchSize: 16, shuffle: false, verbose: 0 as const };
    const expected = await other.fit(xs, labels, options);
    const { history } = await model.fit(xs, labels, options);
    for (const name of ['loss', 'accuracy'])
      for (const [epoch, value] of (history[name] as number[]).entries())
        expect(value).toBeCloseTo(expected.history[name]![epoch] as number, 4);
    expect(relativeError(head.resident.read(), [...plain.getWeights()[0]!.dataSync()])).toBeLessThan(1e-5);
    expect(relativeError(model.getWeights()[0]!.dataSync(), [...other.getWeights()[0]!.dataSync()])).toBeLessThan(1e-5);
    expect(head.resident.steps).toBe(6);
  });

  test.each<Partial<ResidentCosFaceHeadArgs>>([
    { classSampling: { rate: 0.5, seed: 1 } },
    { optimizer: { kind: 'adamw' }, learningRate: 0.02, normalize: true },
  ])('learns: %o', async (args) => {
    const { model } = makeModel(args);
    const { xs, labels } = clusters(300);
    const { history } = await model.fit(xs, labels, { epochs: 12, batchSize: 32, validationSplit: 0.2, verbose: 0 });
    expect(history['val_accuracy']!.at(-1)).toBeGreaterThan(0.8);
  });

  test('class weights reach the centres', async () => {
    const { model, head } = makeModel({ optimizer: { kind: 'sgd', momentum: 0 } });
    const before = head.resident.read();
    const { xs, labels } = clusters(20);
    const none = Object.fromEntries(Array.from({ length: CLASSES }, (_, c) => [c, 0]));
    await model.fit(xs, labels, { epochs: 1, verbose: 0, classWeight: none });
    expect(head.resident.read()).toEqual(before);
  });

  test('evaluate and predict move nothing; no tensor is left behind', async () => {
    const { model, head } = makeModel({ classSampling: { rate: 0.2 } });
    const { xs, labels } = clusters(30);
    await model.fit(xs, labels, { epochs: 1, verbose: 0 });
    const before = head.resident.read();
    const tensors = tf.memory().numTensors;
    tf.dispose(model.evaluate(xs, labels, { batchSize: 7 }));
    tf.dispose(model.predict(xs));
    expect(tf.memory().numTensors).toBe(tensors);
    expect(head.resident.read()).toEqual(before);
    await model.fit(xs, labels, { epochs: 2, verbose: 0 });
    expect(tf.memory().numTensors).toBe(tensors);
  });

  test('a learning rate that is set later holds from then on', async () => {
    const { model, head } = makeModel({ optimizer: { kind: 'sgd', momentum: 0 } });
    const { xs, labels } = clusters(30);
    head.learningRate = 0;
    const before = head.resident.read();
    await model.fit(xs, labels, { epochs: 1, verbose: 0 });
    expect(head.resident.read()).toEqual(before);
  });

  test('a saved model and a saved head go on as if nothing had happened', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cosface-layer-'));
    try {
      const { model, head } = makeModel({ classSampling: { rate: 0.3, seed: 2 }, optimizer: { kind: 'adamw' } });
      const { xs, labels } = clusters(64);
      const options = { epochs: 1, batchSize: 32, shuffle: false, verbose: 0 as const };
      await model.fit(xs, labels, options);
      await saveResidentHead(head.resident, join(folder, 'head'));
      let artifacts: tf.io.ModelArtifacts = {};
      const save = async (saved: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
        artifacts = saved;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      };
      await model.save({ save });
      const loaded = await tfl.loadLayersModel(tf.io.fromMemory(artifacts));
      const loadedHead = headOf(loaded) as ResidentCosFaceHead;
      expect(loadedHead.getConfig()).toEqual(head.getConfig());
      loadedHead.restore(await loadResidentHead(join(folder, 'head')));
      const evaluated = (m: tfl.LayersModel): number[] =>
        (m.evaluate(xs, labels) as tf.Scalar[]).map((value) => value.dataSync()[0] as number);
      loaded.compile({ optimizer: tf.train.sgd(0), loss: loadedHead.loss, metrics: [loadedHead.accuracy] });
      expect(evaluated(loaded)).toEqual(evaluated(model));
      model.compile({ optimizer: tf.train.sgd(0), loss: head.loss, metrics: [head.accuracy] });
      await model.fit(xs, labels, options);
      await loaded.fit(xs, labels, options);
      expect(loadedHead.resident.read()).toEqual(head.resident.read());
      expect(withoutHead(model).outputs[0]!.shape).toEqual([null, 16]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('disposing the model disposes the head', () => {
    const { model, head } = makeModel();
    const { resident } = head;
    model.dispose();
    expect(() => resident.read()).toThrow('COSFACE_DISPOSED');
  });

  test.each<[string, Record<string, unknown>]>([
    ['learningRate', { learningRate: undefined }],
    ['learningRate', { learningRate: -1 }],
    ['weightDecay', { weightDecay: Number.NaN }],
    ['classSampling.rate', { classSampling: { rate: 0 } }],
    ['centerRegularizer', { centerRegularizer: tfl.regularizers.l2({ l2: 1 }) }],
    ['trainable', { trainable: false }],
    ['gradient', { gradient: 'detached' }],
    ['optimiser', { optimiser: 'sgd' }],
  ])('%s out of range is COSFACE_OPTION_RANGE', (argument, change) => {
    expect(() => makeModel(change)).toThrow(
      expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument }) as unknown as Error,
    );
  });

  test('a head of another size is refused; one without a model has no centres yet', async () => {
    const { head } = makeModel();
    const other = makeModel({ numClasses: CLASSES + 1 }).head;
    expect(() => head.restore(other.resident)).toThrow('COSFACE_SHAPE');
    expect(() => residentCosFaceHead({ numClasses: 3, learningRate: 1 }).resident).toThrow('has no centres yet');
  });
});
