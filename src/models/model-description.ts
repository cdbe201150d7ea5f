import { z } from 'zod';
import { FACE_TEMPLATES, type FaceTemplateName } from '../data/face-template.js';
import type { Normalisation } from '../data/prepare-face.js';
import { CosFaceError } from '../native/errors.js';

/** What becomes of the features of an image and of its mirror image. */
export type FlipPooling =
  /** Only the image itself is looked at. */
  | 'none'
  /** One after the other, 2 D values: the CosFace paper's. */
  | 'concatenate'
  /** Their sum, before it is normalised: InsightFace's. */
  | 'add';

/** What a net wants to see. */
export interface ModelInput {
  /** Pixels; images are resized to this. */
  height: number;
  width: number;
  /** How faces were aligned, height x width of the template; `null`: not at all, or nobody knows. */
  alignment: FaceTemplateName | null;
  normalisation: Normalisation;
}

export interface ModelEmbedding {
  /** D, the size of the net's output. */
  dim: number;
  flip: FlipPooling;
}

/** From which cosine on two faces count as one person, and how that was found. */
export interface ModelThreshold {
  /** A pair at or above is accepted. Holds for the features as `embedding.flip` has them. */
  cosine: number;
  /** What was asked for. The threshold accepts at most this share of the impostor pairs below. */
  falseAcceptRate: number;
  /** The share of the genuine pairs that it accepts. */
  trueAcceptRate: number;
  /** Of whom, in words: people held out of training, a list of pairs. */
  data: string;
  genuinePairs: number;
  impostorPairs: number;
}

/** What else than its layers and weights must be known to use a face model: the content of `cosface.json`. */
export interface ModelDescription {
  input: ModelInput;
  embedding: ModelEmbedding;
  /** `null`: never chosen. */
  threshold: ModelThreshold | null;
}

const size = z.int().min(1).max(4096);
const share = z.number().min(0).max(1);
const count = z.int().min(0);

const DESCRIPTION: z.ZodType<ModelDescription> = z.strictObject({
  input: z.strictObject({
    height: size,
    width: size,
    alignment: z.enum(Object.keys(FACE_TEMPLATES) as [FaceTemplateName]).nullable(),
    normalisation: z.enum(['cosface', 'insightface']),
  }),
  embedding: z.strictObject({ dim: z.int().min(1).max(65_536), flip: z.enum(['none', 'concatenate', 'add']) }),
  threshold: z
    .strictObject({
      cosine: z.number().min(-1).max(1),
      falseAcceptRate: share,
      trueAcceptRate: share,
      data: z.string(),
      genuinePairs: count,
      impostorPairs: count,
    })
    .nullable(),
});

/**
 * Checks a description, however it came.
 *
 * @param place - what an error names: a file, or the argument.
 * @throws {CosFaceError} COSFACE_MODEL with the place in it and what was expected.
 */
export function checkDescription(value: unknown, place: string): ModelDescription {
  const result = DESCRIPTION.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the whole'}: ${message}`);
  throw new CosFaceError('COSFACE_MODEL', `${place} describes no face model: ${issues.join('; ')}.`);
}

/** The number of values that an image's features have. */
export function featureSize({ dim, flip }: ModelEmbedding): number {
  return flip === 'concatenate' ? 2 * dim : dim;
}
