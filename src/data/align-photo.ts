import { type AlignedFace, alignFace } from './align-face.js';
import { dataError } from './data-error.js';
import { decodeImage } from './decode-image.js';
import type { FaceDetector } from './face-detector.js';
import type { FaceTemplate } from './face-template.js';
import type { Landmarks } from './landmarks.js';
import type { RgbImage } from './rgb-image.js';

/** Finds the landmarks of the photo's face, or throws a COSFACE_IMAGE that says why there are none. */
export type LocateFace = (image: RgbImage, name: string) => Promise<Landmarks>;

/** Pixels of the result; beyond it the landmarks are hardly those of a face in this order. */
const LARGE_RESIDUAL = 15;

/** Landmarks as a detector finds them. */
export function locateBy(detector: FaceDetector): LocateFace {
  return async (image, name) => {
    const face = await detector.detect(image);
    if (face) return face.landmarks;
    throw dataError('COSFACE_IMAGE', name, 'no face was found in it.');
  };
}

export interface AlignPhotoOptions {
  /** The photo, for messages. */
  name: string;
  locate: LocateFace;
  template: FaceTemplate;
}

/**
 * Decodes a photo and brings its face onto a template.
 *
 * @throws {CosFaceError} COSFACE_IMAGE: it cannot be decoded, has no face, or its landmarks are not those of one.
 */
export async function alignPhoto(
  photo: Uint8Array,
  { name, locate, template }: AlignPhotoOptions,
): Promise<AlignedFace> {
  const image = await decodeImage(photo, name);
  const face = alignFace(image, await locate(image, name), template);
  if (!face) throw dataError('COSFACE_IMAGE', name, 'its landmarks lie on one point.');
  if (face.residual <= LARGE_RESIDUAL) return face;
  const what = `its landmarks are ${face.residual.toFixed(1)} pixels off those of a face`;
  throw dataError('COSFACE_IMAGE', name, `${what}: expected left eye, right eye, nose, left and right of the mouth.`);
}
