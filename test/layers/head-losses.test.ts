import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeEach, describe, expect, test } from 'vitest';
import * as cosface from '../../src/index.js';
import { type CosFaceHead, type CosFaceHeadArgs, cosFaceHead } from '../../src/layers/cosface-head.js';
import { headOf } from '../../src/layers/without-head.js';
import { randomNumbers, relativeError } from '../problem.js';

const CLASSES = 6;
const FEATURES = 10;

type Loss = (x: tf.Tensor, w: tf.Tensor, y: number[], options: object) => tf.Tensor;

/** Options of the head, and the function with the options that it should be. */
const HEADS: Array<[args: Partial<CosFaceHeadArgs>, name: string, options?: object]> = [
  [{ scale: 16 }, 'cosFaceLoss', { scale: 16, margin: 0.35 }],
  [{ scale: 16, m2: 0.2, labelSmoothing: 0.1, useBias: true }, 'marginSoftmaxLoss'],
  [{ scale: 16, m3: 0.2, negatives: { kind: 'mv-am', t: 0.3 }, interclassFilter: 0.9 }, 'marginSoftmaxLoss'],
  [{ loss: 'arcface', scale: 16, margin: 0.4, fallback: 'hard' }, 'arcFaceLoss'],
  [{ loss: 'sphereface', scale: 16, margin: 1.5, lambda: 2 }, 'sphereFaceLoss'],
  [{ loss: 'subcenter-arcface', scale: 16 }, 'subCenterArcFaceLoss'],
  [{ loss: 'softmax', useBias: true, labelSmoothing: 0.1 }, 'softmaxLoss'],
  [{ loss: 'l-softmax', margin: 2, lambda: 1 }, 'lSoftmaxLoss'],
  [{ loss: 'a-softmax', margin: 2 }, 'aSoftmaxLoss'],
  [{ loss: 'mv-softmax', scale: 16, kind: 'arc', t: 0.1 }, 'mvSoftmaxLoss'],
  [{ loss: 'circle', scale: 16 }, 'circleLoss'],
  [{ loss: 'sphereface2', scale: 16, margin: 0.2 }, 'sphereFace2Loss'],
  [{ loss: 'uniface', scale: 16 }, 'uniFaceLoss'],
];

function data(): { xs: tf.Tensor2D; labels: number[] } {
  const random = randomNumbers(1);
  const points = Array.from({ length: CLASSES }, () => Array.from({ length: FEATURES }, () => 2 * random() - 1));
  const labels = Array.from({ length: 60 }, () => Math.floor(random() * CLASSES));
  return { xs: tf.tensor2d(labels.map((y) => (points[y] as number[]).map((v) => v + 0.3 * random()))), labels };
}

function makeModel(args: Partial<CosFaceHeadArgs>): { model: tfl.Sequential; head: CosFaceHead } {
  const model = tfl.sequential();
  const kernelInitializer = tfl.initializers.glorotNormal({ seed: 3 });
  model.add(tfl.layers.dense({ units: 8, inputShape: [FEATURES], kernelInitializer }));
  const head = cosFaceHead({ numClasses: CLASSES, seed: 5, ...args });
  model.add(head);
  model.compile({ optimizer: tf.train.momentum(0.02, 0.9), loss: head.loss, metrics: [head.accuracy] });
  return { model, head };
}

describe.each(['cpu', 'wasm'])('losses of the head on %s', (backend) => {
  beforeEach(async () => void (await tf.setBackend(backend)));

  test.each(HEADS)('%j is %s, learns, and is saved', async (args, name, options) => {
    const { model, head } = makeModel(args);
    const { xs, labels } = data();
    const { loss: _, useBias, ...rest } = args;
    const [centers, bias] = head.getWeights() as [tf.Tensor, tf.Tensor | undefined];
    const isBinary = name === 'sphereFace2Loss' || name === 'uniFaceLoss';
    expect(bias?.shape).toEqual(isBinary ? [] : useBias ? [CLASSES] : undefined);
    const each = tf.tidy(() => {
      const x = model.predict(xs) as tf.Tensor;
      const given = options ?? { ...rest, ...(bias && { bias }) };
      const expected = (cosface as unknown as Record<string, Loss>)[name]?.(x, centers, labels, {
        ...given,
        reduction: 'none',
      });
      return [head.loss(tf.tensor1d(labels, 'int32'), x).dataSync(), expected?.dataSync()] as never;
    }) as [Float32Array, Float32Array];
    expect(relativeError(each[0], [...each[1]])).toBeLessThan(1e-6);

    const before = tf.memory().numTensors;
    const { history } = await model.fit(xs, tf.tensor1d(labels), { epochs: 8, shuffle: false, verbose: 0 });
    expect(tf.memory().numTensors - before).toBeLessThan(20);
    expect(history['loss']?.at(-1)).toBeLessThan(history['loss']?.[0] as number);
    expect(history['accuracy']?.at(-1)).toBeGreaterThan(0.3);

    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = {
          ...JSON.parse(JSON.stringify({ ...artifacts, weightData: undefined })),
          weightData: artifacts.weightData,
        };
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      }),
    );
    const loaded = headOf(await tfl.loadLayersModel(tf.io.fromMemory(saved as tf.io.ModelArtifacts)));
    expect(loaded.getConfig()).toEqual(head.getConfig());
    const values = (layer: CosFaceHead) => layer.getWeights().map((weight) => [...weight.dataSync()]);
    expect(values(loaded)).toEqual(values(head));
  });

  test.each<[Partial<CosFaceHeadArgs>, string]>([
    [{ loss: 'cosine' as never }, 'loss'],
    [{ loss: 'softmax', margin: 1 }, 'margin'],
    [{ loss: 'circle', useBias: true }, 'bias'],
    [{ loss: 'arcface', fallback: 'soft' as never }, 'fallback'],
    [{ margin: 3 }, 'margin'],
    [{ margin: 0.1, m3: 0.1 }, 'margin'],
    [{ useBias: 1 as never }, 'useBias'],
    [{ subCenters: 0 }, 'subCenters'],
  ])('%j is refused when it is made', (args, argument) => {
    expect(() => cosFaceHead({ numClasses: CLASSES, ...args })).toThrow(
      expect.objectContaining({ code: 'COSFACE_OPTION_RANGE', argument }),
    );
  });
});
