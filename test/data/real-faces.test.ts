import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { alignFace } from '../../src/data/align-face.js';
import { decodeImage } from '../../src/data/decode-image.js';
import { FACE_TEMPLATES } from '../../src/data/face-template.js';
import { openIdentityFolders } from '../../src/data/identity-folders.js';
import { type Landmarks, readLandmarks } from '../../src/data/landmarks.js';

// Faces that lie beside the repository on some machines and never in it.
const faces: string = fileURLToPath(new URL('../../../shared/data', import.meta.url));

describe.skipIf(!existsSync(faces))('real faces', () => {
  test('PGM: the ORL faces are 40 people with ten images of 92 x 112 each', async () => {
    const set = await openIdentityFolders(join(faces, 'orl'));
    expect([set.identities.length, set.size]).toEqual([40, 400]);
    const image = await decodeImage(await set.read(399), set.nameOf(399));
    expect([image.width, image.height]).toEqual([92, 112]);
    expect(new Set(image.pixels).size).toBeGreaterThan(50);
    await set.close();
  });

  // The aligned set was made by OpenCV from the same photos and landmarks, and saved as JPEG of quality 92.
  test('alignment agrees with an independent one on every photo; half a pixel more does not', async () => {
    const photos = await openIdentityFolders(join(faces, 'lfw-original-sample'));
    const aligned = await openIdentityFolders(join(faces, 'lfw-devtrain-112x96'));
    const places = new Map(Array.from({ length: aligned.size }, (_, at) => [aligned.nameOf(at), at]));
    const landmarks = await readLandmarks(join(faces, 'lists', 'lfw_devtrain_5pt_landmarks.txt'));
    let compared = 0;
    for (let at = 0; at < photos.size; at++) {
      const name = photos.nameOf(at);
      const [place, points] = [places.get(name), landmarks.get(name)];
      if (place === undefined || points === undefined) continue;
      const photo = await decodeImage(await photos.read(at), name);
      const expected = await decodeImage(await aligned.read(place), name);
      const distance = (moved: number) => {
        const shifted = points.map(([x, y]) => [x + moved, y + moved]) as unknown as Landmarks;
        const face = alignFace(photo, shifted, FACE_TEMPLATES['112x96']);
        let sum = 0;
        expected.pixels.forEach((value, i) => {
          sum += Math.abs(value - (face?.image.pixels[i] ?? Number.NaN));
        });
        return sum / expected.pixels.length;
      };
      expect(distance(0), name).toBeLessThan(2.5);
      expect(distance(0.5), name).toBeGreaterThan(distance(0));
      compared++;
    }
    expect(compared).toBe(38);
  });
});
