import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alignedFaces } from '../../src/data/aligned-faces.js';
import { FACE_TEMPLATES } from '../../src/data/face-template.js';
import { openImageFolder } from '../../src/data/image-folder.js';
import type { RgbImage } from '../../src/data/rgb-image.js';
import { encoded, folderOf, madeImage, refusal, temporaryFolder } from './made-images.js';

test('images at any depth, a folder its identity, in one order', async () => {
  const folder = folderOf('b.jpg', 'Zed/2/x.png', 'Zed/1/y.PGM', 'ann/1.jpg', 'ann/notes.txt', '.hidden/1.jpg');
  const faces = await openImageFolder(folder);
  const names = Array.from({ length: faces.size }, (_, at) => faces.nameOf(at));
  expect(names).toEqual(['b.jpg', 'Zed/1/y.PGM', 'Zed/2/x.png', 'ann/1.jpg']);
  expect(faces.identities).toEqual(['.', 'Zed/1', 'Zed/2', 'ann']);
  expect([...faces.labels]).toEqual([0, 1, 2, 3]);
  expect(faces.notes).toEqual(['1 files that are no images were passed over.']);
  expect(Buffer.from(await faces.read(2)).toString()).toBe('Zed/2/x.png');
});

test('links: to files within the root alone, to folders never', async () => {
  const [folder, outside] = [folderOf('a/1.jpg'), folderOf('secret.jpg')];
  symlinkSync('1.jpg', join(folder, 'a', '2.jpg'));
  symlinkSync(join(outside, 'secret.jpg'), join(folder, 'a', '3.jpg'));
  symlinkSync('.', join(folder, 'a', 'loop'));
  symlinkSync(outside, join(folder, 'other'));
  const faces = await openImageFolder(folder);
  expect(faces.size).toBe(3);
  expect(Buffer.from(await faces.read(1)).toString()).toBe('a/1.jpg');
  expect((await refusal(faces.read(2))).code).toBe('COSFACE_PATH');
  expect(faces.notes).toEqual(['2 files that are no images were passed over.']);
});

test('no images, no folder', async () => {
  expect((await refusal(openImageFolder(folderOf('a/x.txt')))).message).toMatch(/^COSFACE_DATA: .*it has no images/);
  expect((await refusal(openImageFolder('/nowhere/at/all'))).code).toBe('COSFACE_FILE');
  expect((await refusal(openImageFolder(join(folderOf('a.jpg'), 'a.jpg')))).message).toMatch(/expected a folder/);
});

test('aligned: one photo at a time, in any order of asking; a photo without a face is a bad image', async () => {
  const folder = temporaryFolder();
  for (const at of [0, 1, 2]) writeFileSync(join(folder, `${at}.png`), await encoded(madeImage(96, 112, at), 'png'));
  let [running, most] = [0, 0];
  const locate = async (_: RgbImage, name: string) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    if (name === '1.png') throw new Error('nobody');
    return FACE_TEMPLATES['112x96'].landmarks;
  };
  const faces = alignedFaces(await openImageFolder(folder), locate, FACE_TEMPLATES['112x96']);
  const read = await Promise.allSettled([faces.read(2), faces.read(1), faces.read(0)]);
  expect(read.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(most).toBe(1);
});
