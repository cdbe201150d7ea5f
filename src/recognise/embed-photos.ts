import { locateBy } from '../data/align-photo.js';
import { alignedFaces } from '../data/aligned-faces.js';
import type { FaceDetector } from '../data/face-detector.js';
import type { FaceSet } from '../data/face-set.js';
import { FACE_TEMPLATES } from '../data/face-template.js';
import { type Photo, photoSet } from '../data/photo-set.js';
import type { FaceModel } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';
import { embedFaces } from './embed-faces.js';

export interface PhotoOptions {
  /** Finds the face in each photo. Default: photos are aligned already. */
  detector?: FaceDetector | undefined;
}

/**
 * The features of a few photos, row-major [N, size].
 *
 * @throws {CosFaceError} COSFACE_IMAGE or COSFACE_FILE for a photo that cannot be used.
 */
export async function embedPhotos(
  model: FaceModel,
  photos: readonly Photo[],
  options: PhotoOptions = {},
): Promise<Float32Array> {
  const faces = facesFor(model, photoSet(photos), options);
  const rows: Float32Array[] = [];
  // Threads would take longer to start than a few photos to decode.
  for await (const { features } of embedFaces(model, faces, { threads: 0 })) rows.push(features);
  return joinRows(rows);
}

/** The faces of photos, cut out as the model was trained to see them; the photos themselves without a detector. */
export function facesFor({ description }: FaceModel, photos: FaceSet, { detector }: PhotoOptions): FaceSet {
  if (!detector) return photos;
  const { alignment } = description.input;
  if (alignment !== null) return alignedFaces(photos, locateBy(detector), FACE_TEMPLATES[alignment]);
  throw new CosFaceError(
    'COSFACE_OPTION_RANGE',
    'faces cannot be aligned: the model does not say how its own were ("alignment" in cosface.json is null).',
    { argument: 'detector' },
  );
}

export function joinRows(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
