// What prepare.mjs has built, and where.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Everything of the first run lies in this one folder, which can be carried to another machine. */
export const PREPARED = resolve(import.meta.dirname, '../../build-first-run');
export const MANIFEST = join(PREPARED, 'manifest.json');

/** @returns `programs`, the folder; `commit`; `tests`, names and arguments; `emulator`, the emulated driver's file name. */
export function readPrepared() {
  if (!existsSync(MANIFEST)) throw new Error(`${MANIFEST} is missing: bench/cuda/first-run prepare makes it`);
  return { programs: PREPARED, ...JSON.parse(readFileSync(MANIFEST, 'utf8')) };
}
