import type { ModelThreshold } from '../models/model-description.js';
import type { FaceModel } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';

/** From which cosine on two faces count as one person's, and what is known of that. */
export type DecisionThreshold =
  /** The model's own: with its false accept rate, and on whom that was found. */
  | ({ from: 'model' } & ModelThreshold)
  /** The caller's: nothing is known of how often it errs. */
  | { from: 'caller'; cosine: number };

/**
 * @param asked - Overrides the model's own.
 * @returns `null` where there is none: then nothing can be decided.
 */
export function thresholdOf({ description }: FaceModel, asked?: number): DecisionThreshold | null {
  if (asked === undefined) return description.threshold && { from: 'model', ...description.threshold };
  if (asked >= -1 && asked <= 1) return { from: 'caller', cosine: asked };
  throw new CosFaceError('COSFACE_OPTION_RANGE', `threshold is ${asked}, expected a cosine, from -1 to 1.`, {
    argument: 'threshold',
  });
}

/** Whether a score is accepted; `null` without a threshold. */
export function isAccepted(score: number, threshold: DecisionThreshold | null): boolean | null {
  return threshold && score >= threshold.cosine;
}
