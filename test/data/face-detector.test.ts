import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { alignPhoto, locateBy } from '../../src/data/align-photo.js';
import { decodeImage } from '../../src/data/decode-image.js';
import { loadFaceDetector } from '../../src/data/face-detector.js';
import { FACE_TEMPLATES } from '../../src/data/face-template.js';
import { openIdentityFolders } from '../../src/data/identity-folders.js';
import { type Landmarks, readLandmarks } from '../../src/data/landmarks.js';
import { encoded, madeImage, refusal } from './made-images.js';

// Faces that lie beside the repository on some machines and never in it.
const faces: string = fileURLToPath(new URL('../../../shared/data', import.meta.url));
const installed = (() => {
  try {
    return createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json') !== '';
  } catch {
    return false;
  }
})();

function distance(found: Landmarks, listed: Landmarks): number {
  return (
    found.reduce((sum, [x, y], i) => sum + Math.hypot(x - (listed[i]?.[0] ?? 0), y - (listed[i]?.[1] ?? 0)), 0) / 5
  );
}

describe.skipIf(!installed)('the detector of @vladmandic/face-api', () => {
  test('no face in a picture of none', async () => {
    const detector = await loadFaceDetector();
    expect(await detector.detect(madeImage(250, 250))).toBeUndefined();
    const photo = await encoded(madeImage(250, 250));
    const options = { name: 'a.jpg', locate: locateBy(detector), template: FACE_TEMPLATES['112x96'] };
    expect((await refusal(alignPhoto(photo, options))).message).toBe('COSFACE_IMAGE: a.jpg: no face was found in it.');
  });

  test.skipIf(!existsSync(faces))('real photos: landmarks near a published list, faces on the template', async () => {
    const detector = await loadFaceDetector();
    const photos = await openIdentityFolders(join(faces, 'lfw-original-sample'));
    const listed = await readLandmarks(join(faces, 'lists', 'lfw_devtrain_5pt_landmarks.txt'));
    for (let at = 0; at < 6; at++) {
      const name = photos.nameOf(at);
      const photo = await photos.read(at);
      const face = await detector.detect(await decodeImage(photo, name));
      expect(face?.score, name).toBeGreaterThan(0.4);
      // Eyes lie some 40 pixels apart in these photos.
      expect(distance(face?.landmarks as Landmarks, listed.get(name) as Landmarks), name).toBeLessThan(6);
      const options = { name, locate: locateBy(detector), template: FACE_TEMPLATES['112x96'] };
      const { image, residual, scale } = await alignPhoto(photo, options);
      expect([image.width, image.height]).toEqual([96, 112]);
      expect(residual, name).toBeLessThan(6);
      expect(scale).toBeGreaterThan(0.5);
    }
  });
});

if (!installed)
  test('without the package: what to install', async () => {
    const { message } = await refusal(loadFaceDetector());
    expect(message).toMatch(/^COSFACE_DETECTOR: .*npm install @vladmandic\/face-api/);
  });
