import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface ReplaceOptions {
  /** Waits until the bytes are on the disk before the old file goes: it then survives a loss of power. Default false. */
  durable?: boolean;
}

/**
 * Writes a file whole or not at all: beside its place first, then renamed. Synchronous, so that no signal handler runs
 * in between. Makes the folder if need be.
 */
export function replaceFile(
  path: string,
  content: string | Uint8Array | readonly Uint8Array[],
  { durable = false }: ReplaceOptions = {},
): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.part`;
  try {
    const file = openSync(draft, 'w');
    try {
      for (const part of Array.isArray(content) ? content : [content]) writeFileSync(file, part);
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}
