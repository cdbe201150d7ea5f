import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { BadFiles } from '../../src/data/bad-files.js';
import { openImageFolder } from '../../src/data/image-folder.js';
import { evaluate } from '../../src/evaluate/evaluate.js';
import { type EvaluateModelOptions, evaluateModel } from '../../src/evaluate/evaluate-model.js';
import type { EvaluateOptions, Protocol } from '../../src/evaluate/request.js';
import { embedToFiles } from '../../src/recognise/embed-to-files.js';
import { refusal, temporaryFolder } from '../data/made-images.js';
import { madeFaces } from '../recognise/made-faces.js';
import { smallModel } from '../recognise/small-model.js';

beforeAll(() => void tf.setBackend('cpu'));

const people = ['Ann', 'Bob', 'Cid'];
const faces = people.flatMap((name) => [1, 2, 3].map((i) => `${name}/${name}_000${i}.png`));
const frames = people.flatMap((name) =>
  [0, 1].flatMap((video) => [`${name}/${video}/a.png`, `${name}/${video}/b.png`]),
);

function listOf(...lines: string[]): string {
  const file = join(temporaryFolder(), 'list.txt');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

interface Case {
  protocol: Protocol;
  images: string[];
  options: () => Pick<EvaluateOptions, 'pairs' | 'templates' | 'counts' | 'list'>;
  /** How many of the images are embedded. */
  needed: number;
}

const templates = () =>
  listOf('Ann/Ann_0001.png 1 1', 'Ann/Ann_0002.png 1 2', 'Ann/Ann_0003.png 2 3', 'Bob/Bob_0001.png 3 4');
const CASES: Case[] = [
  {
    protocol: 'lfw',
    images: faces,
    options: () => ({ pairs: listOf('2\t1', 'Ann\t1\t2', 'Ann\t1\tBob\t1', 'Bob\t1\t3', 'Bob\t1\tAnn\t2') }),
    needed: 4,
  },
  {
    protocol: 'pairs',
    images: faces,
    options: () => ({ pairs: listOf('Ann/Ann_0001.png Ann/Ann_0003.png 1', 'Ann/Ann_0001 Cid/Cid_0002 0') }),
    needed: 3,
  },
  {
    protocol: 'ytf',
    images: frames,
    options: () => ({ pairs: listOf('1, 1, Ann/0, Ann/1, 1', '1, 2, Ann/0, Bob/1, 0') }),
    needed: 6,
  },
  {
    protocol: 'ijb',
    images: faces,
    options: () => ({ templates: templates(), pairs: listOf('1 2 1', '1 3 0') }),
    needed: 4,
  },
  {
    protocol: 'megaface',
    images: [...faces, 'crowd/1.png', 'crowd/2.png'],
    options: () => ({ pairs: listOf(...faces.slice(0, 6)), counts: [1, 5] }),
    needed: 11,
  },
];

test.each(CASES)(
  '$protocol: as embedding to files and scoring those',
  async ({ protocol, images, options, needed }) => {
    const model = smallModel({ flip: 'add' });
    const set = await openImageFolder(await madeFaces(...images));
    const choices = options();
    const progress: number[][] = [];
    const onProgress = (done: number, of: number) => progress.push([done, of]);
    const badFiles = new BadFiles('fail');
    const given = { ...choices, protocol, model, images: set, threads: 0, badFiles, onProgress, modelName: 'mine' };
    const own = await evaluateModel({ ...given, missing: 'error' });
    expect(progress).toEqual([
      [0, needed],
      [needed, needed],
    ]);
    const files = { features: join(temporaryFolder(), 'x.npy'), flip: 'separate' as const, threads: 0 };
    const { features, list, flipped } = await embedToFiles(model, set, files);
    const expected = evaluate({ ...choices, protocol, features, list, flipped: flipped as string });
    // How many videos the rows make is another matter: here only those of the pairs are embedded.
    const figures = (evaluation: object) => ({ ...evaluation, features: null, list: null, videos: null });
    expect(figures(own)).toEqual(figures(expected));
    expect(own).toMatchObject({ features: { file: 'mine', rows: needed, dtype: 'float32' }, list: null });
  },
);

test('pairs in memory: as those of a list; what is no pair, or of no use', async () => {
  const images = await openImageFolder(await madeFaces(...faces));
  const given = { model: smallModel(), images, threads: 0, protocol: 'pairs' as const };
  const list = listOf('Ann/Ann_0001.png Ann/Ann_0003.png 1', 'Ann/Ann_0001 Cid/Cid_0002 0');
  const pairs = [
    { left: 'Ann/Ann_0001.png', right: 'Ann/Ann_0003.png', same: true },
    { left: 'Ann/Ann_0001', right: 'Cid/Cid_0002', same: false },
  ];
  const listed = await evaluateModel({ ...given, pairs: list });
  const own = await evaluateModel({ ...given, pairs: { source: 'mine', pairs } });
  expect(own).toEqual({ ...listed, pairsFile: 'mine' });
  const refused = async (list: unknown, protocol: Protocol = 'pairs') =>
    (await refusal(evaluateModel({ ...given, protocol, pairs: list as never }))).message;
  const gone = [{ left: 'Ann/Ann_0001', right: 'Dan', same: true }];
  expect(await refused({ source: 'mine', pairs: gone })).toContain("mine:1: there is no image 'Dan' in the images");
  expect(await refused({ source: 'mine', pairs: [{ ...pairs[0], same: 1 }] })).toContain('pairs: expected the name of');
  expect(await refused({ source: 'mine', pairs }, 'ytf')).toMatch(/COSFACE_UNSUPPORTED: the pairs of mine .* ytf does/);
  const probes = { ...given, protocol: 'megaface' as const, pairs: { source: 'mine', pairs } };
  expect((await refusal(evaluateModel(probes))).message).toMatch(/COSFACE_UNSUPPORTED: .* megaface does not/);
});

const lfw = (options: Partial<EvaluateModelOptions<'lfw'>>) => ({ protocol: 'lfw' as const, threads: 0, ...options });

test('mirror images: as the protocol has it, as asked, or none', async () => {
  const images = await openImageFolder(await madeFaces(...faces));
  const pairs = listOf('2\t1', 'Ann\t1\t2', 'Ann\t1\tBob\t1', 'Bob\t1\t3', 'Bob\t1\tAnn\t2');
  const flips = async (own: 'none' | 'add', flip?: 'none' | 'add' | 'protocol') => {
    const model = smallModel({ flip: own });
    const { variants, features } = await evaluateModel({ ...lfw({ flip }), model, images, pairs });
    return [features.dim, ...variants.map((variant) => variant.flip)];
  };
  const joined = [4, 'concatenate', 'concatenate', 'concatenate', 'add'];
  expect(await flips('add')).toEqual(joined);
  expect(await flips('none', 'protocol')).toEqual(joined);
  expect(await flips('none')).toEqual([4, null, null, null, null]);
  expect(await flips('add', 'add')).toEqual([4, null, null, null, null]);
});

test('images that are not there, or no good', async () => {
  const folder = await madeFaces(...faces);
  writeFileSync(join(folder, 'Bob/Bob_0003.png'), '');
  const images = await openImageFolder(folder);
  const base = { ...lfw({}), model: smallModel(), images, imagesName: 'faces' };
  const gone = listOf('2\t1', 'Ann\t1\t2', 'Ann\t1\tBob\t1', 'Bob\t1\t7', 'Bob\t1\tAnn\t2');
  let begun = false;
  const missing = await refusal(evaluateModel({ ...base, pairs: gone, onProgress: () => (begun = true) }));
  expect(missing.message).toMatch(/list\.txt:4: there is no image 'Bob\/Bob_0007' in faces/);
  expect(begun).toBe(false);
  expect(await evaluateModel({ ...base, pairs: gone, missing: 'skip' })).toMatchObject({ skippedPairs: 1, pairs: 3 });
  const bad = listOf('2\t1', 'Ann\t1\t2', 'Ann\t1\tBob\t1', 'Bob\t1\t3', 'Bob\t1\tAnn\t2');
  expect((await refusal(evaluateModel({ ...base, pairs: bad }))).message).toMatch(/Bob_0003\.png: it is empty/);
  const badFiles = new BadFiles('skip');
  const skipped = await refusal(evaluateModel({ ...base, pairs: bad, badFiles }));
  expect(skipped.message).toMatch(/list\.txt:4: there are no features of the image 'Bob\/Bob_0003'/);
  expect(await evaluateModel({ ...base, pairs: bad, badFiles, missing: 'skip' })).toMatchObject({ skippedPairs: 1 });
  expect(badFiles.count).toBe(1);
});

test('a video that is not there', async () => {
  const images = await openImageFolder(await madeFaces(...frames));
  const pairs = listOf('1, 1, Ann/0, Ann/1, 1', '1, 2, Ann/0, Bob/9, 0', '1, 3, Ann/1, Bob/0, 0');
  const given = { protocol: 'ytf' as const, model: smallModel(), images, pairs, threads: 0 };
  expect((await refusal(evaluateModel(given))).message).toMatch(/list\.txt:2: there is no image of the video 'Bob\/9'/);
  expect(await evaluateModel({ ...given, missing: 'skip' })).toMatchObject({ skippedPairs: 1, videos: 3 });
});

test('features in memory, checked as those of files', () => {
  const values = Float32Array.of(1, 0, 1, 0.1, 0, 1);
  const names = ['Ann/1.jpg', 'Ann/2.jpg', 'Bob/1.jpg'];
  const pairs = listOf('Ann/1 Ann/2 1', 'Ann/1 Bob/1 0');
  const run = (features: object, options: object = {}) =>
    evaluate({ protocol: 'pairs', pairs, features: { values, dim: 2, names, ...features }, ...options });
  expect(run({})).toMatchObject({ auc: 1, pairs: 2, features: { file: 'features', rows: 3, dim: 2 } });
  expect(() => run({ dim: 3 })).toThrow('COSFACE_SHAPE: features has 6 values for 3 names of 3 values each');
  expect(() => run({ labels: ['a'] })).toThrow('1 labels for 3 names');
  expect(() => run({ flipped: new Float32Array(5) })).toThrow('features.flipped has 5 values, expected 6');
  expect(() => run({ names: ['a', 'b', 'a'] })).toThrow("COSFACE_DUPLICATE_NAME: features has two rows called 'a'");
  expect(() => run({ values: values.with(3, Number.NaN) })).toThrow('COSFACE_NOT_FINITE: features: row 1, column 1');
  expect(() => run({}, { confidence: 1 })).toThrow('COSFACE_OPTION_RANGE: confidence: ');
  expect(() => run({}, { protocol: 'lwf' })).toThrow('COSFACE_OPTION_RANGE: protocol: ');
  expect(() => run({}, { far: [0] })).toThrow('COSFACE_OPTION_RANGE: far: ');
  expect(() => evaluate({ protocol: 'pairs', pairs, features: 'x.npy' })).toThrow('--list is missing');
});
