// What prepare.mjs has built, and where.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Everything of the first run lies in one folder, which can be carried to another machine. */
export const PREPARED = 'build-first-run';

/** @param folder - relative to the root, or absolute. */
export function preparedFolder(folder) {
  return resolve(import.meta.dirname, '../..', folder);
}

/** @returns `programs`, the folder; `commit`; `tests`, names of programs; `emulator`, the emulated driver's file name. */
export function readPrepared(folder) {
  const programs = preparedFolder(folder);
  const manifest = join(programs, 'manifest.json');
  if (!existsSync(manifest)) throw new Error(`${manifest} is missing: bench/cuda/first-run prepare makes it`);
  return { programs, ...JSON.parse(readFileSync(manifest, 'utf8')) };
}
