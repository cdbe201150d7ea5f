import { CosFaceError } from '../../native/errors.js';

/** Why `cosface setup-tensorflow` could not do its work: code COSFACE_SETUP, with what is missing and the remedy. */
export function setupError(text: string, cause?: unknown): CosFaceError {
  return new CosFaceError('COSFACE_SETUP', text, cause === undefined ? {} : { cause });
}
