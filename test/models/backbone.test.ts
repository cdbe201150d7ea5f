import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { type BackboneOptions, backbone } from '../../src/models/backbone.js';
import { BACKBONES, type BackboneName } from '../../src/models/backbone-names.js';
import { embedPixels } from '../../src/models/embed-pixels.js';
import { loadModelFolder, saveModelFolder } from '../../src/models/model-folder.js';
import { temporaryFolder } from '../data/made-images.js';

let made: LayersModel[] = [];
beforeAll(() => void tf.setBackend('cpu'));
afterEach(() => {
  for (const net of made) net.dispose();
  made = [];
});

function make(options: BackboneOptions): LayersModel {
  const net = backbone(options);
  made.push(net);
  return net;
}

const sizes = (weights: { shape: (number | null)[] }[]) =>
  weights.map(({ shape }) => shape.reduce<number>((a, b) => a * (b as number), 1));
const total = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
const learnt = (net: LayersModel) => total(sizes(net.trainableWeights));

/** Convolutions of table 2 of the SphereFace paper: 3 x 3, each with PReLU; those of stride 2 have a bias. */
function sphereFaceCount(units: readonly number[], map: number, dim = 512): number {
  let count = 0;
  let before = 3;
  [64, 128, 256, 512].forEach((channels, stage) => {
    count += 9 * before * channels + channels + channels;
    count += 2 * units[stage]! * (9 * channels ** 2 + channels);
    before = channels;
  });
  return count + map * 512 * dim + dim;
}

test('SphereFace nets have the parameters of the paper', { timeout: 120_000 }, () => {
  const tables: [BackboneName, number[], number][] = [
    // The last: what the public Caffe models come to, in millions.
    ['sphereface4', [0, 0, 0, 0], 12.56],
    ['sphereface10', [0, 1, 2, 0], 15.22],
    ['sphereface20', [1, 2, 4, 1], 22.67],
    ['sphereface36', [2, 4, 8, 2], 32.77],
    ['sphereface64', [3, 8, 16, 3], 48.19],
  ];
  for (const [name, units, millions] of tables) {
    const net = make({ name, height: 112, width: 96, seed: 1 });
    const convolutions = net.layers.filter((layer) => layer.getClassName() === 'Conv2D').length;
    expect(convolutions, name).toBe(Number(name.slice(10)));
    expect(learnt(net), name).toBe(sphereFaceCount(units, 7 * 6));
    expect(learnt(net) / 1e6, name).toBeCloseTo(millions, 2);
    expect(net.outputs[0]?.shape).toEqual([null, 512]);
    net.dispose();
    made.pop();
  }
});

test("IResNets have InsightFace's parameters", { timeout: 120_000 }, () => {
  // A unit: three BN, PReLU, two convolutions; around the first of a stage a 1 x 1 and its BN.
  const expected = (units: readonly number[]) => {
    let count = 9 * 3 * 64 + 3 * 64;
    let before = 64;
    [64, 128, 256, 512].forEach((channels, stage) => {
      for (let unit = 0; unit < units[stage]!; unit++) {
        count += 2 * before + 9 * before * channels + 2 * channels + channels + 9 * channels ** 2 + 2 * channels;
        if (unit === 0) count += before * channels + 2 * channels;
        before = channels;
      }
    });
    return count + 2 * 512 + 49 * 512 * 512 + 2 * 512;
  };
  for (const [name, units, insightFace] of [
    ['iresnet18', [2, 2, 2, 2], 24_025_600],
    ['iresnet50', [3, 4, 14, 3], 43_590_848],
  ] as const) {
    const net = make({ name, height: 112, width: 112, seed: 1 });
    expect(learnt(net), name).toBe(expected(units));
    // InsightFace's embedding has a bias before its BN.
    expect(learnt(net) + 512, name).toBe(insightFace);
  }
});

test("MobileFaceNet has the paper's 0.99 million parameters once BN is folded in", () => {
  const net = make({ name: 'mobilefacenet', height: 112, width: 112, seed: 1 });
  const moving = total(sizes(net.nonTrainableWeights)) / 2;
  // Folded, a channel has a bias in place of scale and shift.
  const folded = learnt(net) - 2 * moving + moving;
  expect(folded / 1e6).toBeCloseTo(0.99, 2);
  expect(learnt(net)).toBe(1_003_136);
  expect(net.outputs[0]?.shape).toEqual([null, 128]);
});

const small = { height: 32, width: 24, seed: 3 } as const;
const narrow = { widths: [4, 6, 8, 10] as const, dim: 7 };
const variants: BackboneOptions[] = [
  { ...small, ...narrow, name: 'sphereface10' },
  { ...small, ...narrow, name: 'sphereface4', batchNorm: true, embeddingBatchNorm: true },
  { ...small, ...narrow, name: 'iresnet18' },
  { name: 'mobilefacenet', height: 16, width: 16, dim: 7, seed: 3 },
];

test.each(variants)('$name of any size: seeded, saved and loaded to the same bits', async (options) => {
  const net = make(options);
  const { height, width } = options;
  const description = {
    input: { height, width, alignment: null, normalisation: 'cosface' as const },
    embedding: { dim: 7, flip: 'none' as const },
    threshold: null,
  };
  const pixels = Float32Array.from({ length: 2 * height * width * 3 }, (_, i) => Math.sin(i * 0.37));
  const features = await embedPixels({ model: net, description }, pixels);
  expect(features.every(Number.isFinite)).toBe(true);
  expect(features.some((value) => Math.abs(value) > 1e-6)).toBe(true);
  const twin = make(options);
  expect(await embedPixels({ model: twin, description }, pixels)).toEqual(features);
  const other = make({ ...options, seed: 4 });
  expect(await embedPixels({ model: other, description }, pixels)).not.toEqual(features);
  const folder = temporaryFolder();
  await saveModelFolder(folder, { model: net, description });
  const loaded = await loadModelFolder(folder);
  made.push(loaded.model);
  expect(await embedPixels(loaded, pixels)).toEqual(features);
});

test.each(variants)('$name: every weight learns', (options) => {
  const net = make(options);
  const variables = net.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
  const images = tf.randomNormal([4, options.height, options.width, 3], 0, 1, 'float32', 1);
  // A sum would be blind to what batch normalisation takes out.
  const target = tf.randomNormal([4, 7], 0, 1, 'float32', 2);
  const { grads } = tf.variableGrads(
    () => tf.sum(tf.mul(net.apply(images, { training: true }) as tf.Tensor, target)) as tf.Scalar,
    variables,
  );
  expect(Object.keys(grads)).toHaveLength(variables.length);
  for (const [name, gradient] of Object.entries(grads))
    expect(
      gradient.dataSync().some((value) => value !== 0),
      name,
    ).toBe(true);
  tf.dispose([images, target, grads as never]);
});

test('only what there is can be asked for', () => {
  expect(BACKBONES).toHaveLength(8);
  const refused = (options: object) => () => backbone({ ...small, ...options } as BackboneOptions);
  expect(refused({ name: 'resnet18' })).toThrow("name is 'resnet18', expected one of sphereface4");
  expect(refused({ name: 'mobilefacenet', widths: [1, 2, 3, 4] })).toThrow('widths');
  expect(refused({ name: 'iresnet18', batchNorm: true })).toThrow('batchNorm');
});
