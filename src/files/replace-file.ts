import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { outputError } from './output-error.js';

export interface ReplaceOptions {
  /** Waits until the bytes are on the disk before the old file goes: it then survives a loss of power. Default false. */
  durable?: boolean;
  /** Where the old file goes. Default: nowhere. */
  keepAs?: string;
}

/**
 * Writes a file whole or not at all: beside its place first, then renamed. Synchronous, so that no signal handler runs
 * in between. Makes the folder if need be.
 *
 * @throws {CosFaceError} COSFACE_OUTPUT; the old file is still there then.
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array | readonly Uint8Array[],
  { durable = false, keepAs }: ReplaceOptions = {},
): void {
  const draft = `${path}.${process.pid}.part`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(draft, 'w');
    try {
      for (const part of Array.isArray(content) ? content : [content]) writeFileSync(file, part);
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (keepAs !== undefined && existsSync(path)) renameSync(path, keepAs);
    renameSync(draft, path);
    if (durable) syncFolder(dirname(path));
  } catch (error) {
    removeDraft(draft);
    throw outputError(path, error);
  }
}

function removeDraft(draft: string): void {
  try {
    rmSync(draft, { force: true });
  } catch {
    // Its folder could not be made or written to; so there is none.
  }
}

/** A renamed file is on the disk only when its folder is. Windows has no such call and needs none. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
