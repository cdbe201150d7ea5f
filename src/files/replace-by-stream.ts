import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { outputError } from './output-error.js';

/**
 * `replaceFile` for what does not fit into memory: `fill` writes it bit by bit beside its place, as `<path>.part`; then it
 * is renamed. Waits until the bytes are on the disk before the old file goes. Makes the folder if need be.
 *
 * @throws {CosFaceError} COSFACE_OUTPUT, or what `fill` throws; the old file is still there then.
 */
export async function replaceByStream(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const draft = `${path}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(draft, 'w');
    try {
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw isSystemError(cause) ? outputError(path, cause) : cause;
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
