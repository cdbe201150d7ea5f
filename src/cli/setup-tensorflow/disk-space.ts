import { statfsSync } from 'node:fs';
import { setupError } from './setup-error.js';

/** @throws {CosFaceError} COSFACE_SETUP: the file system of `folder` has less than `bytes` free. */
export function requireDiskSpace(folder: string, bytes: number, purpose: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw setupError(
    `${folder} has ${megabytes(free)} MB free; ${megabytes(bytes)} MB are needed for ${purpose}. Make room there, or ` +
      'choose another place (COSFACE_CACHE for the wheel, --dir for the project).',
  );
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1e6);
}
