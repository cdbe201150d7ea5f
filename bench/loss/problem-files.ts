import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type LossProblem, makeProblem, type ProblemKey } from './problem.js';
import { MARGIN } from './rows.js';

/** Of one read or write: the system's calls take less than 2 GiB. */
const CHUNK_BYTES = 2 ** 28;

/** The files of a problem, raw and in the byte order of the machine; bench/peers/row.py reads them too. */
const FILES = { embeddings: 'embeddings.f32', weights: 'weights.f32', labels: 'labels.i32' } as const;

/** Where the problem of a row lies below `parent`; rows that differ in the margin alone share it. */
export function problemFolder(parent: string, { batch, classes, dim, state }: ProblemKey): string {
  return join(parent, `${batch}x${classes}x${dim}-${state}`);
}

/** Makes the problem of a row unless it is there. What a process that died has left is not taken for it. */
export function provideProblem(parent: string, key: ProblemKey): string {
  const folder = problemFolder(parent, key);
  if (!existsSync(folder)) {
    const draft = `${folder}.${process.pid}.part`;
    writeProblem(draft, makeProblem(key));
    renameSync(draft, folder);
  }
  return folder;
}

export function writeProblem(folder: string, problem: LossProblem): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['embeddings', 'weights', 'labels'] as const) writeArray(join(folder, FILES[name]), problem[name]);
}

export function readProblem(folder: string, { batch, classes, dim, margin = MARGIN }: ProblemKey): LossProblem {
  return {
    ...{ batch, classes, dim, margin },
    embeddings: readInto(join(folder, FILES.embeddings), new Float32Array(batch * dim)),
    weights: readInto(join(folder, FILES.weights), new Float32Array(classes * dim)),
    labels: readInto(join(folder, FILES.labels), new Int32Array(batch)),
  };
}

/** @throws {Error} The file is shorter than the array. */
export function readInto<T extends Float32Array | Int32Array>(path: string, array: T): T {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const file = openSync(path, 'r');
  try {
    for (let at = 0; at < bytes.length; ) {
      const read = readSync(file, bytes, at, Math.min(CHUNK_BYTES, bytes.length - at), null);
      if (read === 0) throw new Error(`${path} has ${at} bytes, expected ${bytes.length}`);
      at += read;
    }
  } finally {
    closeSync(file);
  }
  return array;
}

function writeArray(path: string, array: Float32Array | Int32Array): void {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, Math.min(CHUNK_BYTES, bytes.length - at));
  } finally {
    closeSync(file);
  }
}
