import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, test } from 'vitest';
import { BadFiles } from '../../src/data/bad-files.js';
import { backbone } from '../../src/models/backbone.js';
import type { FaceModel } from '../../src/models/model-folder.js';
import { openVerification, verify } from '../../src/train/verification.js';
import { encoded, madeImage, refusal, temporaryFolder } from '../data/made-images.js';
import { makePeople } from './made-people.js';

let net: FaceModel;
beforeAll(() => {
  tf.setBackend('cpu');
  const model = backbone({ name: 'sphereface4', height: 16, width: 16, widths: [4, 4, 4, 4], dim: 6, seed: 1 });
  const input = { height: 16, width: 16, alignment: null, normalisation: 'cosface' as const };
  net = { model, description: { input, embedding: { dim: 6, flip: 'none' }, threshold: null } };
});

const pairing = { pairsPerIdentity: 20, seed: 1 };
const options = { batchSize: 16, falseAcceptRate: 0.05, threads: 0 };

test('people of a folder: the threshold accepts no more impostors than asked, and is applied as given', async () => {
  const folder = temporaryFolder();
  await makePeople(folder, { people: 16, images: 4 });
  const data = await openVerification(folder, pairing);
  expect(data.named).toBe(true);
  const { figures, features, indices } = await verify(net, data, { ...options, threshold: 2 });
  expect([figures.genuine, figures.impostor]).toEqual([16 * 6, 16 * 6 * 4]);
  expect(features).toHaveLength(64 * 6);
  expect([...indices]).toEqual([...Array(64).keys()]);
  expect(figures.accuracy).toBeGreaterThan(0.4);
  expect(figures.atThreshold).toEqual({ cosine: 2, falseAcceptRate: 0, trueAcceptRate: 0 });
  const { cosine, trueAcceptRate } = figures.threshold!;
  const again = await verify(net, data, { ...options, threshold: cosine });
  expect(again.figures.atThreshold!.falseAcceptRate).toBeLessThanOrEqual(0.05);
  expect(again.figures.atThreshold!.trueAcceptRate).toBe(trueAcceptRate);
  expect({ ...again.figures, atThreshold: null }).toEqual({ ...figures, atThreshold: null });
});

test('images that cannot be read take their pairs with them', async () => {
  const folder = temporaryFolder();
  await makePeople(folder, { people: 8, images: 4 });
  const [person] = readdirSync(folder);
  writeFileSync(join(folder, person as string, '0.png'), 'no picture');
  const data = await openVerification(folder, pairing);
  expect((await refusal(verify(net, data, options))).message).toContain(`${person}/0.png`);
  const badFiles = new BadFiles('skip');
  const { figures, indices } = await verify(net, data, { ...options, badFiles });
  expect(badFiles.count).toBe(1);
  expect(indices).toHaveLength(31);
  expect(figures.genuine).toBe(8 * 6 - 3);
});

test("InsightFace's .bin has its own pairs", async () => {
  const images = await Promise.all([0, 5, 90, 200, 40, 45].map((kind) => encoded(madeImage(20, 20, kind), 'png')));
  const u32 = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
  // A pickle of protocol 4: list of bytes, list of booleans.
  const body = [
    ...[0x5d, 0x94, 0x28, ...images.flatMap((image) => [0x42, ...u32(image.length), ...image, 0x94]), 0x65],
    ...[0x5d, 0x94, 0x88, 0x61, 0x89, 0x61, 0x88, 0x61, 0x86, 0x94, 0x2e],
  ];
  const file = join(temporaryFolder(), 'lfw.bin');
  writeFileSync(file, Buffer.from([0x80, 4, 0x95, ...u32(body.length), 0, 0, 0, 0, ...body]));
  const data = await openVerification(file, pairing);
  expect([...data.pairs.left, ...data.pairs.right, ...data.pairs.same]).toEqual([0, 2, 4, 1, 3, 5, 1, 0, 1]);
  const { figures } = await verify(net, data, options);
  expect([figures.genuine, figures.impostor, figures.accuracy]).toEqual([2, 1, null]);
});

test('where no pairs can be made, the error says of whom', async () => {
  const folder = temporaryFolder();
  await makePeople(folder, { people: 3, images: 1 });
  expect((await refusal(openVerification(folder, pairing))).message).toMatch(
    /3 images of 3 people give no genuine and impostor pairs/,
  );
});
