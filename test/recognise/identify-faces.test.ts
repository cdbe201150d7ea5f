import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { BadFiles } from '../../src/data/bad-files.js';
import { openIdentityFolders } from '../../src/data/identity-folders.js';
import { embedPhotos } from '../../src/recognise/embed-photos.js';
import { embedToFiles } from '../../src/recognise/embed-to-files.js';
import { embedGallery, type Gallery } from '../../src/recognise/gallery.js';
import { identifyFaces } from '../../src/recognise/identify-faces.js';
import { readGallery } from '../../src/recognise/read-gallery.js';
import { refusal, temporaryFolder } from '../data/made-images.js';
import { madeFaces } from './made-faces.js';
import { smallModel } from './small-model.js';

beforeAll(() => void tf.setBackend('cpu'));
const quiet = { threads: 0 };

/** A gallery of made-up features: `people` with `images` each, the last nearest to `query`. */
function crowd(people: number, images: number, query: Float32Array): Gallery {
  const rows = people * images;
  const features = Float32Array.from({ length: rows * 4 }, (_, i) => Math.cos(i * i + 1));
  // All images of person 0 are nearer to the query than any other's.
  for (let row = 0; row < images; row++)
    features.set(
      query.map((value) => value * (1 + row)),
      row * 4,
    );
  const owner = (row: number) => `p${Math.floor(row / images)}`;
  const names = Array.from({ length: rows }, (_, row) => `${owner(row)}/${row}.png`);
  return { features, size: 4, names, identities: names.map((_, row) => owner(row)) };
}

test('a photo of the gallery finds itself; people come once, by their nearest image, best first', async () => {
  const folder = await madeFaces('a/1.png', 'a/2.png', 'b/1.png', 'c/1.png', 'c/2.png');
  const model = smallModel({ flip: 'concatenate' });
  const gallery = await embedGallery(model, await openIdentityFolders(folder), quiet);
  expect(gallery).toMatchObject({ size: 8, identities: ['a', 'a', 'b', 'c', 'c'] });
  const photos = [join(folder, 'c/2.png'), join(folder, 'b/1.png')];
  const found = await identifyFaces(model, gallery, photos, { top: 9 });
  expect(found.map(({ matches }) => matches[0])).toMatchObject([
    { identity: 'c', image: 'c/2.png', accepted: true },
    { identity: 'b', image: 'b/1.png', accepted: true },
  ]);
  for (const { matches, threshold } of found) {
    expect(matches.map(({ identity }) => identity).sort()).toEqual(['a', 'b', 'c']);
    expect(matches.map(({ score }) => score)).toEqual(matches.map(({ score }) => score).toSorted((x, y) => y - x));
    for (const { score, accepted } of matches) expect(accepted).toBe(score >= (threshold?.cosine ?? 2));
  }
});

test('a person with many images leaves room for others', async () => {
  const photo = join(await madeFaces('a.png'), 'a.png');
  const model = smallModel();
  const gallery = crowd(30, 50, await embedPhotos(model, [photo]));
  const [found] = await identifyFaces(model, gallery, [photo], { top: 3 });
  const matches = found?.matches ?? [];
  expect(matches.map(({ identity }) => identity)).toHaveLength(3);
  expect(new Set(matches.map(({ identity }) => identity)).size).toBe(3);
  expect(matches[0]).toMatchObject({ identity: 'p0', image: 'p0/0.png' });
  expect(matches[0]?.score).toBeCloseTo(1, 6);
});

test('a gallery from the files of embed is the same', async () => {
  const folder = await madeFaces('a/1.png', 'b/1.png', 'b/2.png');
  const model = smallModel();
  const faces = await openIdentityFolders(folder);
  const features = join(temporaryFolder(), 'gallery.npy');
  const { list } = await embedToFiles(model, faces, { features, ...quiet });
  expect(readGallery(features, list)).toEqual(await embedGallery(model, faces, quiet));
  writeFileSync(list, 'a/1.png\nb/1.png\nb/2.png\n');
  expect(readGallery(features, list).identities).toEqual(['a', 'b', 'b']);
  writeFileSync(list, 'a/1.png\nb/1.png\n');
  expect(() => readGallery(features, list)).toThrow(/has 2 names, but .*gallery\.npy has 3 rows/);
});

test('one image a person, one person, a person twice, bad images', async () => {
  const folder = await madeFaces('ann/1.png', 'Ann/1.png', 'bob/1.png');
  copyFileSync(join(folder, 'ann/1.png'), join(folder, 'bob/2.png'));
  writeFileSync(join(folder, 'bob/1.png'), 'no image');
  const faces = await openIdentityFolders(folder);
  expect(faces.notes.join()).toContain('look like one person twice');
  const model = smallModel();
  expect((await refusal(embedGallery(model, faces, quiet))).message).toMatch(/bob\/1\.png/);
  const badFiles = new BadFiles('skip');
  const gallery = await embedGallery(model, faces, { ...quiet, badFiles });
  expect(gallery.names).toEqual(['Ann/1.png', 'ann/1.png', 'bob/2.png']);
  expect(badFiles.count).toBe(1);
  const [found] = await identifyFaces(model, gallery, [join(folder, 'bob/2.png')]);
  // Two people with the very same picture: equal scores, in the order of the gallery.
  expect(found?.matches.slice(0, 2).map(({ identity }) => identity)).toEqual(['ann', 'bob']);
});

test('what cannot be: words that say so', async () => {
  const folder = await madeFaces('a/1.png');
  const photo = join(folder, 'a/1.png');
  const model = smallModel();
  const gallery = crowd(2, 2, new Float32Array(4).fill(1));
  const words = async (promise: Promise<unknown>) => (await refusal(promise)).message;
  expect(await words(identifyFaces(smallModel({ flip: 'concatenate' }), gallery, [photo]))).toMatch(
    /^COSFACE_SHAPE: the gallery has 4 features an image, the model makes 8/,
  );
  expect(await words(identifyFaces(model, { ...gallery, names: [] }, [photo]))).toMatch(/the gallery is empty/);
  expect(await words(identifyFaces(model, { ...gallery, identities: ['a'] }, [photo]))).toMatch(/^COSFACE_SHAPE/);
  expect(await words(identifyFaces(model, gallery, [photo], { top: 0 }))).toMatch(/top is 0, expected a whole number/);
  expect(await words(identifyFaces(model, gallery, [join(folder, 'none.png')]))).toMatch(/there is no such file/);
  expect(await identifyFaces(model, gallery, [])).toEqual([]);
});
