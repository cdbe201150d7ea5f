import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { fileError } from '../data/data-error.js';
import { replaceFile } from '../files/replace-file.js';
import { CosFaceError } from '../native/errors.js';

/** Everything that a training needs to go on to the same bits. */
export interface Checkpoint {
  /** Plain data: step, place in the data, states, what is best so far. */
  progress: unknown;
  tensors: CheckpointTensor[];
}

export interface CheckpointTensor {
  /** Unique. */
  name: string;
  shape: number[];
  /** Row-major float32. */
  values: Float32Array;
}

// magic | header's length, u32 | header, JSON | values of the tensors, in the header's order | SHA-256 of all before.
const MAGIC = 'COSFCKP1';
const HASH_BYTES = 32;
const LARGEST_HEADER = 64 * 2 ** 20;
const LARGEST_FILE = 64 * 2 ** 30;

/**
 * Writes a checkpoint, durably, beside its place and renamed. What was there before becomes `previous`, so that there is a whole
 * one at any moment, and two but for the moment of writing.
 *
 * @throws {CosFaceError} COSFACE_OUTPUT, for example where the disk is full; what was there is still there.
 */
export function writeCheckpoint(file: string, { progress, tensors }: Checkpoint): void {
  const header = Buffer.from(
    JSON.stringify({ progress, tensors: tensors.map(({ name, shape }) => ({ name, shape })) }),
    'utf8',
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const parts = [
    Buffer.from(MAGIC, 'latin1'),
    length,
    header,
    ...tensors.map(({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  ];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  replaceFile(file, [...parts, hash.digest()], { durable: true, keepAs: previousOf(file) });
}

/** Where the checkpoint before the last one is. */
export function previousOf(file: string): string {
  return `${file}.previous`;
}

/**
 * Reads a checkpoint; where it is missing or damaged, the one before it.
 *
 * @param onDamage - hears what is wrong with a checkpoint that is passed over.
 * @throws {CosFaceError} COSFACE_CHECKPOINT: there is none that is whole.
 */
export async function readCheckpoint(file: string, onDamage: (text: string) => void): Promise<Checkpoint> {
  const problems: CosFaceError[] = [];
  for (const candidate of [file, previousOf(file)]) {
    try {
      const checkpoint = await readWhole(candidate);
      for (const problem of problems) onDamage(problem.message);
      return checkpoint;
    } catch (error) {
      if (!(error instanceof CosFaceError)) throw error;
      problems.push(error);
    }
  }
  throw problems.find(({ code }) => code === 'COSFACE_CHECKPOINT') ?? (problems[0] as CosFaceError);
}

async function readWhole(file: string): Promise<Checkpoint> {
  const handle = await open(file, 'r').catch((cause) => {
    throw fileError(file, cause);
  });
  try {
    const { size } = await handle.stat();
    const hash = createHash('sha256');
    let position = 0;
    const take = async (bytes: Uint8Array) => {
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, position);
      if (bytesRead < bytes.length) throw damaged(file, `it ends after ${position + bytesRead} bytes`);
      position += bytesRead;
      return bytes;
    };
    const hashed = async (bytes: Uint8Array) => {
      hash.update(await take(bytes));
      return bytes;
    };
    if (size < MAGIC.length + 4 + HASH_BYTES || size > LARGEST_FILE) throw damaged(file, `it has ${size} bytes`);
    const magic = Buffer.from(await hashed(new Uint8Array(MAGIC.length))).toString('latin1');
    if (magic !== MAGIC) throw damaged(file, 'it is no checkpoint of this version');
    const length = Buffer.from(await hashed(new Uint8Array(4))).readUInt32LE();
    if (length > Math.min(LARGEST_HEADER, size)) throw damaged(file, `its header would have ${length} bytes`);
    const text = Buffer.from(await hashed(new Uint8Array(length))).toString('utf8');
    const { progress, tensors } = parseHeader(file, text);
    const expected = tensors.reduce((bytes, { shape }) => bytes + 4 * elements(shape), position + HASH_BYTES);
    if (expected !== size) throw damaged(file, `it has ${size} bytes, expected ${expected}`);
    const read: CheckpointTensor[] = [];
    for (const { name, shape } of tensors) {
      const values = new Float32Array(elements(shape));
      await hashed(new Uint8Array(values.buffer));
      read.push({ name, shape, values });
    }
    const sum = Buffer.from(await take(new Uint8Array(HASH_BYTES)));
    if (!sum.equals(hash.digest())) throw damaged(file, 'its hash does not fit its content');
    return { progress, tensors: read };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw fileError(file, cause);
  } finally {
    await handle.close();
  }
}

function parseHeader(file: string, text: string): { progress: unknown; tensors: Omit<CheckpointTensor, 'values'>[] } {
  let header: { progress?: unknown; tensors?: unknown };
  try {
    header = JSON.parse(text);
  } catch {
    throw damaged(file, 'its header is no JSON');
  }
  const isTensor = (value: unknown): value is Omit<CheckpointTensor, 'values'> => {
    const { name, shape } = (value ?? {}) as Partial<CheckpointTensor>;
    return typeof name === 'string' && Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0);
  };
  if (!Array.isArray(header?.tensors) || !header.tensors.every(isTensor)) throw damaged(file, 'its header is damaged');
  return { progress: header.progress, tensors: header.tensors };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function damaged(file: string, what: string): CosFaceError {
  return new CosFaceError('COSFACE_CHECKPOINT', `${file} is damaged: ${what}.`);
}

/** For what a checkpoint holds and a run does not fit. */
export function checkpointError(text: string): CosFaceError {
  return new CosFaceError('COSFACE_CHECKPOINT', text);
}
