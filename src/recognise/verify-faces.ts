import type { Photo } from '../data/photo-set.js';
import type { FaceModel } from '../models/model-folder.js';
import { cosine } from './cosine.js';
import { type DecisionThreshold, isAccepted, thresholdOf } from './decision.js';
import { embedPhotos, type PhotoOptions } from './embed-photos.js';

export interface VerifyOptions extends PhotoOptions {
  /** Default: the model's own. */
  threshold?: number | undefined;
}

export interface Verification {
  /** The cosine of the two faces' features, in [-1, 1]. */
  score: number;
  /** Whether they are taken for one person; `null` where there is no threshold. */
  same: boolean | null;
  threshold: DecisionThreshold | null;
}

/**
 * Compares two faces.
 *
 * @param left - The path of an image file, or its bytes.
 * @throws {CosFaceError} COSFACE_IMAGE or COSFACE_FILE for a photo that cannot be used; COSFACE_OPTION_RANGE.
 * @example
 * await startBackend();
 * const model = await loadModelFolder('runs/mine/best');
 * const { score, same } = await verifyFaces(model, 'a.jpg', 'b.jpg');
 */
export async function verifyFaces(
  model: FaceModel,
  left: Photo,
  right: Photo,
  options: VerifyOptions = {},
): Promise<Verification> {
  const threshold = thresholdOf(model, options.threshold);
  const features = await embedPhotos(model, [left, right], options);
  const size = features.length / 2;
  const score = cosine(features.subarray(0, size), features.subarray(size));
  return { score, same: isAccepted(score, threshold), threshold };
}
