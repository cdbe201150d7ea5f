import { seededRandom } from '../train/random.js';
import { augmentFace } from './augment-face.js';
import { decodeImage, type ImageSize } from './decode-image.js';
import type { FaceAugmentation } from './face-augmentation.js';

/** How pixels become a net's input. */
export type Normalisation =
  /** (value - 127.5) / 128, as CosFace's and SphereFace's public code. */
  | 'cosface'
  /** (value - 127.5) / 127.5, as InsightFace's. */
  | 'insightface';

const DIVISORS: Readonly<Record<Normalisation, number>> = { cosface: 128, insightface: 127.5 };

/** What is the same for all the images of a run. */
export interface FacePreparation extends ImageSize {
  normalisation: Normalisation;
  augmentation?: FaceAugmentation | undefined;
}

/** One image to prepare. Can be sent to another thread. */
export interface FaceRequest {
  name: string;
  /** Encoded; or decoded already, [height, width, 3]. */
  source: { encoded: Uint8Array } | { decoded: Uint8Array };
  /** Decides the augmentation. */
  seed: string;
}

export interface PreparedFace {
  /** [height, width, 3], normalised. */
  input: Float32Array;
  /** Before augmentation. */
  decoded: Uint8Array;
}

/** Decodes, resizes, augments and normalises one image: what comes depends on nothing but the arguments. */
export async function prepareFace(request: FaceRequest, preparation: FacePreparation): Promise<PreparedFace> {
  const { width, height, normalisation, augmentation } = preparation;
  const { source, name, seed } = request;
  const decoded =
    'decoded' in source ? source.decoded : (await decodeImage(source.encoded, name, { width, height })).pixels;
  const input = augmentation
    ? augmentFace({ width, height, pixels: decoded }, augmentation, seededRandom(seed))
    : new Float32Array(decoded);
  const factor = 1 / DIVISORS[normalisation];
  for (let at = 0; at < input.length; at++) input[at] = ((input[at] as number) - 127.5) * factor;
  return { input, decoded };
}
