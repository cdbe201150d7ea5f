import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { embedPixels } from '../../src/models/embed-pixels.js';
import type { ModelDescription } from '../../src/models/model-description.js';
import { loadModelFolder, readModelDescription, saveModelFolder } from '../../src/models/model-folder.js';
import { refusal, temporaryFolder } from '../data/made-images.js';

beforeAll(() => void tf.setBackend('cpu'));

const description: ModelDescription = {
  input: { height: 4, width: 3, alignment: '112x96', normalisation: 'cosface' },
  embedding: { dim: 5, flip: 'concatenate' },
  threshold: {
    ...{ cosine: 0.31, falseAcceptRate: 1e-3, trueAcceptRate: 0.7 },
    ...{ data: 'people held out', genuinePairs: 10, impostorPairs: 1000 },
  },
};

/** Not the same for an image and its mirror image. */
function smallNet(units = 5, seed = 1): LayersModel {
  const images = input({ shape: [4, 3, 3] });
  const flat = layers.flatten().apply(images);
  const out = layers.dense({ units }).apply(flat) as SymbolicTensor;
  const net = model({ inputs: images, outputs: out });
  const values = Float32Array.from({ length: 36 * units }, (_, i) => Math.sin(i * seed));
  net.setWeights([tf.tensor(values, [36, units]), tf.ones([units])]);
  return net;
}

const pixels = Float32Array.from({ length: 2 * 36 }, (_, i) => Math.cos(i * i));

test('a folder holds what a model is and gives the same features', async () => {
  const folder = temporaryFolder();
  const net = { model: smallNet(), description };
  await saveModelFolder(folder, net);
  const loaded = await loadModelFolder(folder);
  expect(loaded.description).toEqual(description);
  expect(await readModelDescription(folder)).toEqual(description);
  const features = await embedPixels(net, pixels);
  expect(features).toHaveLength(2 * 10);
  expect(await embedPixels(loaded, pixels)).toEqual(features);
});

test("TensorFlow.js's own loader reads model.json", async () => {
  const folder = temporaryFolder();
  await saveModelFolder(folder, { model: smallNet(), description });
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
  const [{ paths, weights }] = weightsManifest;
  expect(paths).toHaveLength(1);
  const bytes = new Uint8Array(readFileSync(join(folder, paths[0])));
  expect(bytes).toHaveLength((36 * 5 + 5) * 4);
  expect(weights.map(({ shape }: { shape: number[] }) => shape)).toEqual([[36, 5], [5]]);
  expect(modelTopology.class_name).toBeDefined();
});

test('mirror images: left out, behind, or added', async () => {
  const model = smallNet();
  const by = (flip: ModelDescription['embedding']['flip']) =>
    embedPixels({ model, description: { ...description, embedding: { dim: 5, flip } } }, pixels);
  const [none, both, sum] = [await by('none'), await by('concatenate'), await by('add')];
  expect([...none]).toEqual([...both.subarray(0, 5), ...both.subarray(10, 15)]);
  for (let k = 0; k < 5; k++) {
    expect(both[5 + k]).not.toBe(both[k]);
    expect(sum[k]).toBeCloseTo(both[k]! + both[5 + k]!, 5);
  }
  const before = tf.memory().numTensors;
  await by('add');
  expect(tf.memory().numTensors).toBe(before);
});

test('a second model replaces the first, and only its weights stay', async () => {
  const folder = temporaryFolder();
  await saveModelFolder(folder, { model: smallNet(5, 1), description });
  await saveModelFolder(folder, { model: smallNet(5, 2), description: { ...description, threshold: null } });
  expect(readdirSync(folder).filter((name) => name.startsWith('weights'))).toHaveLength(1);
  expect(readdirSync(folder)).toHaveLength(3);
  expect((await loadModelFolder(folder)).description.threshold).toBeNull();
});

test('what is damaged, missing, of another model or wrong is refused, with the file', async () => {
  const make = async () => {
    const folder = temporaryFolder();
    await saveModelFolder(folder, { model: smallNet(), description });
    const weights = readdirSync(folder).find((name) => name.startsWith('weights'))!;
    return {
      folder,
      weights: join(folder, weights),
      json: join(folder, 'model.json'),
      own: join(folder, 'cosface.json'),
    };
  };
  const refused = async (damage: (files: Awaited<ReturnType<typeof make>>) => void) => {
    const files = await make();
    damage(files);
    return refusal(loadModelFolder(files.folder));
  };
  const edit = (file: string, change: (content: Record<string, object[]>) => void) => {
    const content = JSON.parse(readFileSync(file, 'utf8'));
    change(content);
    writeFileSync(file, JSON.stringify(content));
  };
  const flipByte = (file: string) => {
    const bytes = readFileSync(file);
    bytes[100]! ^= 1;
    writeFileSync(file, bytes);
  };
  const cases: [string, (files: Awaited<ReturnType<typeof make>>) => void, RegExp][] = [
    ['no description', ({ own }) => rmSync(own), /cosface\.json.*no such file/],
    ['no topology', ({ json }) => rmSync(json), /model\.json.*no such file/],
    ['weights cut off', ({ weights }) => truncateSync(weights, 40), /40 bytes, expected 740/],
    ['weights empty', ({ weights }) => truncateSync(weights, 0), /empty/],
    ['one bit', ({ weights }) => flipByte(weights), /not those that cosface\.json was written for/],
    ['no JSON', ({ own }) => truncateSync(own, 30), /cosface\.json.*no JSON/],
    ['a later version', ({ own }) => edit(own, (c) => Object.assign(c, { version: 2 })), /"version": 1/],
    ['a misspelt key', ({ own }) => edit(own, (c) => Object.assign(c, { treshold: 1 })), /treshold/],
    [
      'another size',
      ({ own }) => edit(own, (c) => Object.assign(c, { embedding: { dim: 6, flip: 'none' } })),
      /\[N, 6\]/,
    ],
    [
      'a path out of the folder',
      ({ json }) => edit(json, (c) => Object.assign(c['weightsManifest']![0]!, { paths: ['../x.bin'] })),
      /leads upwards/,
    ],
    ['a topology of nothing', ({ json }) => edit(json, (c) => Object.assign(c, { modelTopology: {} })), /cannot load/],
  ];
  for (const [name, damage, message] of cases) {
    const error = await refused(damage);
    expect(error.message, name).toMatch(message);
    expect(error.code, name).toMatch(/^COSFACE_/);
  }
});

test('a description that does not fit the model is not written', async () => {
  const folder = temporaryFolder();
  const wrong = { ...description, embedding: { dim: 6, flip: 'none' as const } };
  const error = await refusal(saveModelFolder(folder, { model: smallNet(), description: wrong }));
  expect(error.message).toContain('the model goes from [N, 4, 3, 3] to [N, 5]');
  expect(readdirSync(folder)).toEqual([]);
});
