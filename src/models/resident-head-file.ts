import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { fileError } from '../data/data-error.js';
import { replaceByStream } from '../files/replace-by-stream.js';
import type { HeadPart } from '../native/addon.js';
import { CosFaceError, ResidentHead, type ResidentHeadOptions } from '../native/index.js';

/*
 * The file, all numbers little-endian:
 *   8 bytes   'cosfhead'
 *   4 bytes   length of the header, uint32
 *   header    JSON: version, classes, dim, optimizer, normalize, steps
 *   parts     in the order of ResidentHead.parts, each class by class: float32 [C, D], or int32 [C] for 'updates'
 *   32 bytes  SHA-256 of everything before
 */
const MAGIC = 'cosfhead';
const PREFIX_BYTES = MAGIC.length + 4;
const HASH_BYTES = 32;
const LARGEST_HEADER = 4096;
const CHUNK_BYTES = 4 * 2 ** 20;

const optional = z.number().optional();
const HEADER = z.strictObject({
  version: z.literal(1),
  classes: z
    .int()
    .min(1)
    .max(2 ** 31 - 1),
  dim: z
    .int()
    .min(1)
    .max(2 ** 24),
  optimizer: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('sgd'), momentum: optional }),
    z.strictObject({ kind: z.literal('adamw'), beta1: optional, beta2: optional, epsilon: optional }),
  ]),
  normalize: z.boolean(),
  steps: z.int().min(0),
});
type Header = z.infer<typeof HEADER>;

/** What saving and loading take besides the file. */
export interface HeadFileOptions {
  /** Called now and then with the bytes that are done, and all of them. */
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Writes a resident head, its optimiser's state and its count of steps, as a stream: 4 MiB of memory, whatever its size.
 * Written to `path` + '.part' first, then renamed, so that `path` holds the old head or the new one, whole, whenever the
 * process is killed or the disk is full. The event loop goes on; steps of the head are COSFACE_BUSY meanwhile.
 *
 * @throws {CosFaceError} COSFACE_OUTPUT where it cannot be written; COSFACE_BUSY; COSFACE_DISPOSED.
 * @example await saveResidentHead(head, 'runs/mine/head.cosface');
 */
export async function saveResidentHead(
  head: ResidentHead,
  path: string,
  { onProgress }: HeadFileOptions = {},
): Promise<void> {
  await head.exclusively('saveResidentHead', async ({ read }) => {
    const header = headerOf(head);
    const total = fileBytes(header, Buffer.byteLength(JSON.stringify(header)));
    await replaceByStream(path, async (file) => {
      const hash = createHash('sha256');
      let written = 0;
      const write = async (bytes: Uint8Array): Promise<void> => {
        hash.update(bytes);
        await file.writeFile(bytes);
        written += bytes.length;
      };
      await write(prefixOf(header));
      for (const { part, rows, newArray } of piecesOf(header)) {
        for (let first = 0; first < header.classes; first += rows) {
          const values = newArray(Math.min(rows, header.classes - first));
          read(part, first, values);
          await write(bytesOf(values));
          onProgress?.(written, total);
        }
      }
      await file.writeFile(hash.digest());
    });
    onProgress?.(total, total);
  });
}

/**
 * Reads what saveResidentHead wrote. Lengths are held against the file before anything of their size is allocated, and
 * the checksum before the head is given out.
 *
 * @throws {CosFaceError} COSFACE_MODEL, naming the file: it is none, cut off or damaged; COSFACE_FILE where it cannot be
 * read; what `new ResidentHead` throws.
 * @example using head = await loadResidentHead('runs/mine/head.cosface');
 */
export async function loadResidentHead(
  path: string,
  { device, onProgress }: HeadFileOptions & Pick<ResidentHeadOptions, 'device'> = {},
): Promise<ResidentHead> {
  const file = await open(path, 'r').catch((cause) => {
    throw fileError(path, cause);
  });
  try {
    const reader = new HashingReader(file, path);
    const { header, total } = await readHeader(reader);
    const { classes, dim, optimizer, normalize, steps } = header;
    const head = new ResidentHead({ classes, dim, optimizer, normalize, weights: 'zeros', device });
    try {
      for (const { part, rows, newArray } of piecesOf(header)) {
        for (let first = 0; first < classes; first += rows) {
          const values = newArray(Math.min(rows, classes - first));
          await reader.fill(bytesOf(values));
          if (part === 'updates' && values.some((count) => count < 0)) throw damaged(path, 'a count below 0');
          head.writePart(part, first, values);
          onProgress?.(reader.position, total);
        }
      }
      await reader.requireHash();
      head.steps = steps;
      return head;
    } catch (error) {
      head.dispose();
      throw error;
    }
  } finally {
    await file.close();
  }
}

function headerOf({ classes, dim, optimizer, normalize, steps }: ResidentHead): Header {
  return { version: 1, classes, dim, optimizer, normalize, steps };
}

function prefixOf(header: Header): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from(MAGIC), length, text]);
}

interface Piece {
  part: HeadPart;
  /** Classes of a chunk. */
  rows: number;
  newArray(rows: number): Float32Array | Int32Array;
}

function piecesOf({ optimizer, dim }: Header): Piece[] {
  return ResidentHead.partsOf(optimizer).map((part) => {
    if (part === 'updates') return { part, rows: CHUNK_BYTES / 4, newArray: (rows) => new Int32Array(rows) };
    return {
      part,
      rows: Math.max(1, Math.floor(CHUNK_BYTES / 4 / dim)),
      newArray: (rows) => new Float32Array(rows * dim),
    };
  });
}

/** Exact below 2^53; beyond it no file is that long. */
function fileBytes(header: Header, headerBytes: number): number {
  const { classes, dim } = header;
  const rows = ResidentHead.partsOf(header.optimizer).map((part) => (part === 'updates' ? 4 : 4 * dim));
  return PREFIX_BYTES + headerBytes + rows.reduce((sum, bytes) => sum + classes * bytes, 0) + HASH_BYTES;
}

function bytesOf(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

class HashingReader {
  readonly path: string;
  position = 0;
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');

  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.path = path;
  }

  async size(): Promise<number> {
    const stat = await this.#file.stat();
    if (!stat.isFile()) throw damaged(this.path, 'no regular file');
    return stat.size;
  }

  /** Reads the next bytes.length bytes. */
  async fill(bytes: Uint8Array): Promise<void> {
    await this.#read(bytes);
    this.#hash.update(bytes);
  }

  async requireHash(): Promise<void> {
    const stored = Buffer.alloc(HASH_BYTES);
    await this.#read(stored);
    if (!stored.equals(this.#hash.digest()))
      throw damaged(this.path, 'other bytes than were written: the checksum differs');
  }

  async #read(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done).catch((cause) => {
        throw fileError(this.path, cause);
      });
      if (bytesRead === 0) throw damaged(this.path, `an end after ${this.position} bytes`);
      done += bytesRead;
      this.position += bytesRead;
    }
  }
}

async function readHeader(reader: HashingReader): Promise<{ header: Header; total: number }> {
  const size = await reader.size();
  if (size < PREFIX_BYTES) throw damaged(reader.path, `${size} bytes`);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  await reader.fill(prefix);
  if (prefix.toString('latin1', 0, MAGIC.length) !== MAGIC) throw damaged(reader.path, 'another beginning');
  const length = prefix.readUInt32LE(MAGIC.length);
  if (length > Math.min(LARGEST_HEADER, size - PREFIX_BYTES)) throw damaged(reader.path, `a header of ${length} bytes`);
  const text = Buffer.alloc(length);
  await reader.fill(text);
  const header = parseHeader(text.toString(), reader.path);
  const total = fileBytes(header, length);
  if (total !== size)
    throw damaged(
      reader.path,
      `${size} bytes, expected ${total} for ${header.classes} classes of ${header.dim} features`,
    );
  return { header, total };
}

function parseHeader(text: string, path: string): Header {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    throw damaged(path, 'a header that is no JSON');
  }
  const { success, data, error } = HEADER.safeParse(values);
  if (success) return data;
  const issue = error.issues[0];
  throw damaged(path, `a header with ${issue?.path.join('.') || 'its whole'} wrong (${issue?.message})`);
}

function damaged(path: string, what: string): CosFaceError {
  return new CosFaceError(
    'COSFACE_MODEL',
    `${path}: has ${what}, so it is no whole file of saveResidentHead. Load another save; one is whole or not there at all.`,
  );
}
