import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { BadFiles } from '../../src/data/bad-files.js';
import { readFeatureList } from '../../src/data/feature-list.js';
import { openImageFolder } from '../../src/data/image-folder.js';
import { readNpy } from '../../src/data/read-npy.js';
import { embedFaces } from '../../src/recognise/embed-faces.js';
import { type EmbedToFilesOptions, embedToFiles } from '../../src/recognise/embed-to-files.js';
import { refusal, temporaryFolder } from '../data/made-images.js';
import { madeFaces, manyNames } from './made-faces.js';
import { smallModel } from './small-model.js';

beforeAll(() => void tf.setBackend('cpu'));

/** Stops a run after so many images, as a full disk or a closed terminal would. */
function stopAfter(images: number): Pick<EmbedToFilesOptions, 'onProgress'> {
  return {
    onProgress: (done) => {
      if (done >= images) throw new Error('stopped');
    },
  };
}

const slow = { batchSize: 4, threads: 0, saveEvery: 0 };

test('rows in the order of names, with a list; features as the net gives them', async () => {
  const faces = await openImageFolder(await madeFaces('b/2.png', 'a/x/1.png', 'b/1.png', 'top.png'));
  const model = smallModel();
  const features = join(temporaryFolder(), 'out', 'faces.npy');
  const done = await embedToFiles(model, faces, { features, threads: 0 });
  expect(done).toMatchObject({ images: 4, rows: 4, size: 4, flip: 'none', flipped: null, resumedAt: 0 });
  const { names, labels } = readFeatureList({ file: done.list });
  expect(names).toEqual(['top.png', 'a/x/1.png', 'b/1.png', 'b/2.png']);
  expect(labels).toEqual(['.', 'a/x', 'b', 'b']);
  const { values, rows, dim } = readNpy({ file: features });
  expect([rows, dim]).toEqual([4, 4]);
  for await (const { features: expected } of embedFaces(model, faces, { threads: 0 })) expect(values).toEqual(expected);
  expect(readdirSync(join(features, '..')).sort()).toEqual(['faces.npy', 'faces.txt']);
});

test('mirror images: joined as the model says, or as asked, or apart', async () => {
  const faces = await openImageFolder(await madeFaces('a/1.png', 'b/1.png', 'b/2.png'));
  const folder = temporaryFolder();
  const embed = async (flip: EmbedToFilesOptions['flip']) => {
    const features = join(folder, `${flip}.npy`);
    const done = await embedToFiles(smallModel({ flip: 'add' }), faces, { features, threads: 0, flip });
    return { done, values: [...readNpy({ file: features }).values] };
  };
  const [added, none, joined] = [await embed(undefined), await embed('none'), await embed('concatenate')];
  const { done, values: plain } = await embed('separate');
  expect(done.flipped).toBe(join(folder, 'separate.flipped.npy'));
  const mirrored = [...readNpy({ file: done.flipped as string }).values];
  expect(added.done.flip).toBe('add');
  expect(plain).toEqual(none.values);
  expect(mirrored).not.toEqual(plain);
  expect(joined.values.slice(0, 8)).toEqual([...plain.slice(0, 4), ...mirrored.slice(0, 4)]);
  added.values.forEach((value, i) => {
    expect(value).toBeCloseTo((plain[i] as number) + (mirrored[i] as number), 5);
  });
});

test('an interrupted run goes on to the same bytes, bad images and all', async () => {
  const folder = await madeFaces(...manyNames(30));
  for (const name of ['a/005.png', 'c/017.png', 'e/024.png', 'e/029.png']) writeFileSync(join(folder, name), '');
  const faces = await openImageFolder(folder);
  const model = smallModel();
  const out = temporaryFolder();
  const run = async (name: string, more: Partial<EmbedToFilesOptions> = {}) => {
    const badFiles = new BadFiles('skip');
    const options = { ...slow, features: join(out, `${name}.npy`), flip: 'separate' as const, badFiles };
    return { done: await embedToFiles(model, faces, { ...options, ...more }), badFiles };
  };
  const whole = await run('whole');
  expect(whole.done).toMatchObject({ images: 30, rows: 26 });
  let resumed = 0;
  for (const images of [6, 13, 22, 29]) {
    await expect(run('broken', stopAfter(images))).rejects.toThrow('stopped');
    expect(existsSync(join(out, 'broken.npy'))).toBe(false);
    resumed = JSON.parse(readFileSync(join(out, 'broken.npy.part.json'), 'utf8')).next;
  }
  const { done, badFiles } = await run('broken');
  expect(done.resumedAt).toBe(resumed);
  expect(resumed).toBeGreaterThan(15);
  expect(badFiles.named.map(({ name }) => name)).toEqual(['a/005.png', 'c/017.png', 'e/024.png', 'e/029.png']);
  expect(badFiles.named.map(({ reason }) => reason)).toEqual(whole.badFiles.named.map(({ reason }) => reason));
  for (const end of ['npy', 'txt', 'flipped.npy'])
    expect(readFileSync(join(out, `broken.${end}`)), end).toEqual(readFileSync(join(out, `whole.${end}`)));
  expect(readdirSync(out).filter((name) => name.includes('part'))).toEqual([]);
});

test('a bad image behind the last full batch is on no list either', async () => {
  const folder = await madeFaces(...manyNames(5));
  writeFileSync(join(folder, 'e/004.png'), '');
  const features = join(temporaryFolder(), 'faces.npy');
  const badFiles = new BadFiles('skip');
  const done = await embedToFiles(smallModel(), await openImageFolder(folder), { ...slow, features, badFiles });
  expect(done.rows).toBe(4);
  expect(readNpy({ file: features }).rows).toBe(4);
  expect(readFeatureList({ file: done.list }).names).toEqual(['a/000.png', 'b/001.png', 'c/002.png', 'd/003.png']);
});

test.each([
  { what: 'another model', change: { model: smallModel({ seed: 2 }) } },
  { what: 'another rule for mirror images', change: { options: { flip: 'concatenate' as const } } },
  { what: 'another way of finding faces', change: { options: { preparation: 'detected' } } },
  { what: 'another set', change: { names: [...manyNames(20), 'f/1.png'] } },
  {
    what: 'a draft that is shorter than its record',
    change: { damage: (file: string) => truncateSync(`${file}.part`, 200) },
  },
  {
    what: 'a record that says nothing',
    change: { damage: (file: string) => writeFileSync(`${file}.part.json`, '{"') },
  },
])('$what begins anew', async ({ change }) => {
  const { model = smallModel(), options = {}, names = manyNames(20), damage } = change;
  const features = join(temporaryFolder(), 'faces.npy');
  const before = await openImageFolder(await madeFaces(...manyNames(20)));
  await expect(embedToFiles(smallModel(), before, { ...slow, features, ...stopAfter(9) })).rejects.toThrow('stopped');
  damage?.(features);
  const faces = await openImageFolder(await madeFaces(...names));
  const done = await embedToFiles(model, faces, { ...slow, features, ...options });
  expect(done).toMatchObject({ resumedAt: 0, rows: names.length });
  const other = join(temporaryFolder(), 'other.npy');
  await embedToFiles(model, faces, { ...slow, features: other, ...options });
  expect(readFileSync(features)).toEqual(readFileSync(other));
});

test('what stood there before stays until the new files are whole', async () => {
  const faces = await openImageFolder(await madeFaces(...manyNames(12)));
  const features = join(temporaryFolder(), 'faces.npy');
  await embedToFiles(smallModel(), faces, { ...slow, features });
  const old = readFileSync(features);
  const other = smallModel({ seed: 3 });
  await expect(embedToFiles(other, faces, { ...slow, features, ...stopAfter(8) })).rejects.toThrow('stopped');
  expect(readFileSync(features)).toEqual(old);
});

test('what cannot be: words that say so', async () => {
  const folder = await madeFaces('a/1.png');
  const faces = await openImageFolder(folder);
  const out = temporaryFolder();
  writeFileSync(join(out, 'file'), '');
  mkdirSync(join(out, 'taken.npy'));
  const embed = (options: Partial<EmbedToFilesOptions>, model = smallModel()) =>
    refusal(embedToFiles(model, faces, { ...slow, features: join(out, 'x.npy'), ...options }));
  expect((await embed({ features: join(out, 'file', 'x.npy') })).message).toMatch(/^COSFACE_OUTPUT: .*is a file/);
  expect((await embed({ features: join(out, 'taken.npy') })).code).toBe('COSFACE_OUTPUT');
  expect((await embed({ list: join(out, 'x.npy') })).code).toBe('COSFACE_OPTION_RANGE');
  expect((await embed({ batchSize: 0 })).code).toBe('COSFACE_OPTION_RANGE');
  const broken = smallModel();
  broken.model.setWeights([tf.fill([12 * 8 * 3, 4], Number.NaN)]);
  expect((await embed({}, broken)).message).toMatch(/^COSFACE_NOT_FINITE: a\/1\.png: the model makes NaN of it/);
  writeFileSync(join(folder, 'a', '1.png'), '');
  expect((await embed({})).message).toMatch(/^COSFACE_IMAGE: .*1\.png: it is empty/);
  expect((await embed({ badFiles: new BadFiles('skip') })).message).toMatch(/no image could be used/);
  writeFileSync(join(folder, 'a', 'x\ty.png'), '');
  const odd = await openImageFolder(folder);
  const error = await refusal(embedToFiles(smallModel(), odd, { ...slow, features: join(out, 'x.npy') }));
  expect(error.message).toContain('"a/x\\ty.png": a list cannot hold tabs');
  expect(statSync(join(out, 'taken.npy')).isDirectory()).toBe(true);
});
