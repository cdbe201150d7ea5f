import { BadFiles } from '../data/bad-files.js';
import { dataError } from '../data/data-error.js';
import { faceBatches } from '../data/face-batches.js';
import type { FaceSet } from '../data/face-set.js';
import { embedPixels } from '../models/embed-pixels.js';
import { type FlipPooling, featureSize } from '../models/model-description.js';
import type { FaceModel } from '../models/model-folder.js';
import type { FlipRule } from './flip-rule.js';

export interface EmbedFacesOptions {
  /** What becomes of the mirror images' features. Default: what the model's description says. */
  flip?: FlipRule | undefined;
  /** Default 64. */
  batchSize?: number | undefined;
  /** Default: the first bad image is an error. */
  badFiles?: BadFiles | undefined;
  /** Which images of the set, in which order. Default: all. */
  order?: ArrayLike<number> | undefined;
  /** Place in `order` to begin at: a batch's `next` goes on after it, to the same bits. Default 0. */
  start?: number | undefined;
  /** Threads that decode; see `faceBatches`. */
  threads?: number | undefined;
}

export interface EmbeddedFaces {
  /** Row-major [N, size], not normalised. */
  features: Float32Array;
  /** With `separate`: those of the mirror images, [N, size]. */
  mirrored?: Float32Array;
  /** The images' places in the set, [N]: those of bad images are missing. */
  indices: Int32Array;
  /** The place in `order` after the last image that was taken or left out. */
  next: number;
}

export const EMBED_BATCH = 64;

/** The number of values of an image's features, by a rule. */
export function embeddedSize({ description }: FaceModel, flip?: FlipRule): number {
  const { embedding } = description;
  return featureSize({ ...embedding, flip: flip === 'separate' ? 'none' : (flip ?? embedding.flip) });
}

/**
 * The features of a set's images, batch by batch, decoded and prepared as the model's description says. Images are taken
 * to be aligned already; `alignedFaces` does it for photos.
 *
 * @throws {CosFaceError} A bad image where `badFiles` says so; COSFACE_NOT_FINITE where a model gives NaN;
 * COSFACE_OPTION_RANGE.
 * @example
 * const model = await loadModelFolder('runs/mine/best');
 * for await (const { features, indices } of embedFaces(model, await openImageFolder('aligned'))) { ... }
 */
export async function* embedFaces(
  model: FaceModel,
  faces: FaceSet,
  options: EmbedFacesOptions = {},
): AsyncGenerator<EmbeddedFaces> {
  const { input, embedding } = model.description;
  const { flip = embedding.flip, batchSize = EMBED_BATCH, order, start, threads, badFiles } = options;
  const ruled = withFlip(model, flip === 'separate' ? 'concatenate' : flip);
  const batches = faceBatches(faces, {
    width: input.width,
    height: input.height,
    normalisation: input.normalisation,
    batchSize,
    badFiles: badFiles ?? new BadFiles('fail'),
    ...(order ? { order } : {}),
    ...(start === undefined ? {} : { start }),
    ...(threads === undefined ? {} : { threads }),
  });
  for await (const { pixels, indices, next } of batches) {
    const features = await embedPixels(ruled, pixels);
    requireFinite(features, indices, faces);
    yield { ...(flip === 'separate' ? halves(features, embedding.dim) : { features }), indices, next };
  }
}

function withFlip({ model, description }: FaceModel, flip: FlipPooling): FaceModel {
  return { model, description: { ...description, embedding: { ...description.embedding, flip } } };
}

function requireFinite(features: Float32Array, indices: Int32Array, faces: FaceSet): void {
  const wrong = features.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return;
  const row = Math.floor((wrong * indices.length) / features.length);
  throw dataError(
    'COSFACE_NOT_FINITE',
    faces.nameOf(indices[row] as number),
    `the model makes ${features[wrong]} of it. Its weights are damaged, or its training went astray.`,
  );
}

/** Each row's first and second D values. */
function halves(joined: Float32Array, dim: number): Required<Pick<EmbeddedFaces, 'features' | 'mirrored'>> {
  const features = new Float32Array(joined.length / 2);
  const mirrored = new Float32Array(joined.length / 2);
  for (let at = 0; at < features.length; at += dim) {
    features.set(joined.subarray(2 * at, 2 * at + dim), at);
    mirrored.set(joined.subarray(2 * at + dim, 2 * at + 2 * dim), at);
  }
  return { features, mirrored };
}
