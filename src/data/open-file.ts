import { openSync } from 'node:fs';
import { type FilePlace, fileError } from './data-error.js';

/**
 * Opens a file to be read; the caller closes the descriptor.
 *
 * @throws {CosFaceError} COSFACE_FILE, naming the file.
 */
export function openFile(place: FilePlace): number {
  try {
    return openSync(place.file, 'r');
  } catch (cause) {
    throw fileError(place, cause);
  }
}
