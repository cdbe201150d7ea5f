import { loadAddon } from './load.js';

/**
 * Frees the memory that is kept between calls, and closes the GPUs that neither a running call nor ResidentWeights use.
 * The next call takes what it needs anew.
 *
 * @throws {CosFaceError} COSFACE_NO_BINARY.
 */
export function releaseWorkspace(): void {
  loadAddon().releaseWorkspace();
}
