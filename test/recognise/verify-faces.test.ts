import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import type { FaceDetector } from '../../src/data/face-detector.js';
import { FACE_TEMPLATES } from '../../src/data/face-template.js';
import { openImageFolder } from '../../src/data/image-folder.js';
import type { Landmarks } from '../../src/data/landmarks.js';
import { embedFaces } from '../../src/recognise/embed-faces.js';
import { verifyFaces } from '../../src/recognise/verify-faces.js';
import { encoded, madeImage, refusal } from '../data/made-images.js';
import { madeFaces } from './made-faces.js';
import { smallModel, threshold } from './small-model.js';

beforeAll(() => void tf.setBackend('cpu'));

test('the cosine of what embedding gives; paths and bytes alike', async () => {
  const folder = await madeFaces('a.png', 'b.png');
  const model = smallModel({ flip: 'add' });
  const [left, right] = [join(folder, 'a.png'), join(folder, 'b.png')];
  const answer = await verifyFaces(model, left, right);
  const { value } = await embedFaces(model, await openImageFolder(folder), { threads: 0 }).next();
  const [a, b] = [value.features.slice(0, 4), value.features.slice(4)] as [Float32Array, Float32Array];
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  expect(answer.score).toBeCloseTo(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)), 6);
  expect(answer).toMatchObject({ same: answer.score >= 0.9, threshold: { from: 'model', ...threshold } });
  expect(await verifyFaces(model, readFileSync(left), right)).toEqual(answer);
  expect((await verifyFaces(model, left, left)).score).toBeCloseTo(1, 12);
});

test('at the threshold is the same person; without one nothing is decided', async () => {
  const folder = await madeFaces('a.png', 'b.png');
  const photos = [join(folder, 'a.png'), join(folder, 'b.png')] as const;
  const { score } = await verifyFaces(smallModel(), ...photos);
  const from = { from: 'caller' };
  expect(await verifyFaces(smallModel(), ...photos, { threshold: score })).toMatchObject({
    same: true,
    threshold: from,
  });
  const above = await verifyFaces(smallModel(), ...photos, { threshold: Math.min(1, score + 1e-9) });
  expect(above.same).toBe(false);
  expect(await verifyFaces(smallModel({ decides: false }), ...photos)).toMatchObject({ same: null, threshold: null });
});

test('with a detector the face is cut out first', async () => {
  const [left, right] = [await encoded(madeImage(96, 112, 7), 'png'), await encoded(madeImage(96, 112, 90), 'png')];
  const finding = (move: number): FaceDetector => {
    const [a, b, c, d, e] = FACE_TEMPLATES['112x96'].landmarks.map(([x, y]) => [x + move, y] as const);
    return { detect: async () => ({ landmarks: [a, b, c, d, e] as Landmarks, score: 1, faces: 1 }) };
  };
  const { score } = await verifyFaces(smallModel(), left, right);
  const scoreWith = async (move: number) =>
    (await verifyFaces(smallModel(), left, right, { detector: finding(move) })).score;
  // Where the face lies on the template already, nothing changes.
  expect(await scoreWith(0)).toBeCloseTo(score, 6);
  expect(Math.abs((await scoreWith(20)) - score)).toBeGreaterThan(1e-3);
});

test('what cannot be: words that say so', async () => {
  const folder = await madeFaces('a.png');
  const [good, empty] = [join(folder, 'a.png'), join(folder, 'empty.png')];
  writeFileSync(empty, '');
  const model = smallModel();
  const blind: FaceDetector = { detect: async () => undefined };
  const words = async (promise: Promise<unknown>) => (await refusal(promise)).message;
  expect(await words(verifyFaces(model, good, empty))).toBe(`COSFACE_IMAGE: ${empty}: it is empty.`);
  expect(await words(verifyFaces(model, join(folder, 'no.png'), good))).toMatch(/no\.png: there is no such file/);
  expect(await words(verifyFaces(model, Buffer.from('GIF89a'), good))).toMatch(/^COSFACE_IMAGE: photo 1: it begins/);
  expect(await words(verifyFaces(model, good, good, { threshold: 1.5 }))).toMatch(
    /threshold is 1.5, expected a cosine/,
  );
  expect(await words(verifyFaces(model, good, good, { detector: blind }))).toMatch(/a\.png: no face was found in it/);
  model.description.input.alignment = null;
  expect(await words(verifyFaces(model, good, good, { detector: blind }))).toMatch(/does not say how its own were/);
});
