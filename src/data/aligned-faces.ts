import { alignPhoto, type LocateFace } from './align-photo.js';
import { encodeImage } from './encode-image.js';
import type { FaceSet } from './face-set.js';
import type { FaceTemplate } from './face-template.js';

/**
 * The same images with the face of each cut out and aligned as it is read. A photo without a face is then a bad image
 * like any other. One photo at a time, because a decoded one may take 300 MB.
 *
 * @example
 * const detector = await loadFaceDetector();
 * const faces = alignedFaces(await openImageFolder('photos'), locateBy(detector), FACE_TEMPLATES['112x96']);
 */
export function alignedFaces(photos: FaceSet, locate: LocateFace, template: FaceTemplate): FaceSet {
  const { size, identities, labels, notes } = photos;
  const readAligned = async (index: number): Promise<Uint8Array> => {
    const name = photos.nameOf(index);
    const { image } = await alignPhoto(await photos.read(index), { name, locate, template });
    // Lossless, for those who read it decode it again.
    return encodeImage(image, 'png');
  };
  let before: Promise<unknown> = Promise.resolve();
  return {
    size,
    identities,
    labels,
    notes,
    nameOf: (index) => photos.nameOf(index),
    read: (index) => {
      const aligned = before.then(() => readAligned(index));
      before = aligned.catch(() => {});
      return aligned;
    },
    close: () => photos.close(),
  };
}
