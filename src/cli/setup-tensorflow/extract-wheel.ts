import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { requireDiskSpace } from './disk-space.js';
import type { Progress } from './progress.js';
import { setupError } from './setup-error.js';

/** The two libraries that hold TensorFlow's C API, by their SONAMEs. */
export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const;

/** Headers that tfjs-node's binding includes, directly or not, in TensorFlow 2.12 to 2.21. */
const HEADER_FOLDERS = ['tensorflow/c/', 'tensorflow/core/platform/', 'tensorflow/tsl/', 'tsl/', 'xla/tsl/'];

/**
 * Takes libraries and headers out of a TensorFlow wheel and compares each file with the SHA-256 in the wheel's RECORD.
 *
 * @param target - An empty folder; gets lib/ and include/.
 * @returns Bytes of each library.
 * @throws {CosFaceError} COSFACE_SETUP: no zip file, no TensorFlow wheel, a file differs from its hash, or no room.
 */
export async function extractWheel(wheel: string, target: string, progress: Progress): Promise<Record<string, number>> {
  const zip = await open(wheel);
  try {
    const files = await list(zip, wheel);
    const total = files.wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0);
    requireDiskSpace(target, total, `the libraries of ${basename(wheel)}`);
    let done = 0;
    for (const { entry, place } of files.wanted) {
      const path = join(target, place);
      const hash = await extractFile(zip, entry, path, (bytes) => {
        done += bytes;
        progress.bytes(done, total);
      });
      if (hash !== files.hashes.get(entry.fileName)) throw damaged(wheel, `${entry.fileName} differs from its hash`);
    }
    const libraries = files.wanted.filter(({ place }) => place.startsWith('lib/'));
    return Object.fromEntries(libraries.map(({ entry, place }) => [basename(place), entry.uncompressedSize]));
  } catch (error) {
    throw zipError(wheel, error);
  } finally {
    zip.close();
  }
}

interface WantedFile {
  entry: Entry;
  /** Path below the target folder. */
  place: string;
}

interface WheelFiles {
  wanted: WantedFile[];
  /** From RECORD: path to SHA-256 in base64url. */
  hashes: Map<string, string>;
}

async function open(wheel: string): Promise<ZipFile> {
  try {
    return await openPromise(wheel, { autoClose: false });
  } catch (error) {
    throw zipError(wheel, error);
  }
}

async function list(zip: ZipFile, wheel: string): Promise<WheelFiles> {
  const wanted: WantedFile[] = [];
  let record: Entry | undefined;
  for await (const entry of zip.eachEntry()) {
    if (/^[^/]+\.dist-info\/RECORD$/.test(entry.fileName)) record = entry;
    const place = placeOf(entry.fileName);
    if (place !== undefined) wanted.push({ entry, place });
  }
  const missing = LIBRARIES.filter((library) => !wanted.some(({ place }) => place === `lib/${library}`));
  if (record === undefined || missing.length > 0) {
    throw setupError(
      `${wheel} has no ${[...missing, ...(record ? [] : ['RECORD'])].join(', no ')}: it is not the Linux wheel of ` +
        'TensorFlow 2.12.1 or later.',
    );
  }
  return { wanted, hashes: readRecord((await buffer(await zip.openReadStreamPromise(record))).toString('utf8')) };
}

function placeOf(fileName: string): string | undefined {
  const [, inPackage] = /^tensorflow\/(.*)$/.exec(fileName) ?? [];
  if (inPackage === undefined) return undefined;
  if (LIBRARIES.some((library) => library === inPackage)) return `lib/${inPackage}`;
  const isHeader =
    inPackage.endsWith('.h') && HEADER_FOLDERS.some((folder) => inPackage.startsWith(`include/${folder}`));
  return isHeader ? inPackage : undefined;
}

/** Lines are `path,sha256=HASH,bytes`; none of the files wanted here has a comma in its name. */
export function readRecord(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => /^([^,"]+),sha256=([\w-]+),\d+\r?$/.exec(line));
  return new Map(lines.filter((match) => match !== null).map(([, path = '', hash = '']) => [path, hash]));
}

async function extractFile(
  zip: ZipFile,
  entry: Entry,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<string> {
  mkdirSync(dirname(path), { recursive: true });
  const hash = createHash('sha256');
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
  await pipeline(await zip.openReadStreamPromise(entry), watch, createWriteStream(path));
  return hash.digest('base64url');
}

function zipError(wheel: string, error: unknown): unknown {
  const { code, name } = error as NodeJS.ErrnoException;
  if (name === 'CosFaceError') return error;
  if (code === 'ENOSPC') return setupError(`the disk is full: ${(error as Error).message}. Make room and run again.`);
  return damaged(wheel, (error as Error).message, error);
}

function damaged(wheel: string, what: string, cause?: unknown): Error {
  return setupError(`the wheel ${wheel} is damaged: ${what}. Delete it and run again, or download it again.`, cause);
}
