import { closeSync, fstatSync, readSync } from 'node:fs';
import { dataError, type FilePlace, fileError } from './data-error.js';
import { float16Values } from './float16.js';
import { openFile } from './open-file.js';

export type FeatureType = 'float16' | 'float32' | 'float64';

/** One feature vector a row. */
export interface FeatureMatrix {
  /** Row-major [rows, dim], all finite. */
  values: Float32Array;
  rows: number;
  dim: number;
  /** What the file had. */
  dtype: FeatureType;
}

interface NpyHeader {
  dtype: FeatureType;
  rows: number;
  dim: number;
  /** Where the values start. */
  offset: number;
}

const TYPES: Readonly<Record<string, { dtype: FeatureType; bytes: number }>> = {
  '<f2': { dtype: 'float16', bytes: 2 },
  '<f4': { dtype: 'float32', bytes: 4 },
  '<f8': { dtype: 'float64', bytes: 8 },
};
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** NumPy pads headers to 64 bytes; a matrix of numbers needs no more than two such. */
const LARGEST_HEADER = 1 << 16;
const PIECE_BYTES = 1 << 22;

/**
 * A matrix of features from NumPy's .npy, versions 1 to 3: float16, float32 or float64, little-endian, C order. Own
 * reader, because those on npm take a whole file into one ArrayBuffer, unchecked: this one compares the lengths before
 * it allocates, and needs 4 MiB beyond the result.
 *
 * @returns As float32, which is exact for float16 and rounds float64.
 * @throws {CosFaceError} COSFACE_FILE, COSFACE_DATA (no .npy, another type or order, a length that does not fit),
 * COSFACE_NOT_FINITE with row and column.
 *
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function readNpy(place: FilePlace): FeatureMatrix {
  return withFile(place, (descriptor) => {
    const size = fstatSync(descriptor).size;
    const { dtype, rows, dim, offset } = readHeader(descriptor, size, place);
    const values = new Float32Array(rows * dim);
    fill(values, descriptor, { dtype, offset, place });
    requireFinite(values, dim, place);
    return { values, rows, dim, dtype };
  });
}

/** @throws {CosFaceError} COSFACE_NOT_FINITE for NaN, infinities and float64 values beyond the range of float32. */
export function requireFinite(values: Float32Array, dim: number, place: FilePlace): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const [row, column] = [Math.floor(i / dim), i % dim];
    const value = Number.isNaN(values[i]) ? 'NaN' : `${values[i]} as float32`;
    throw dataError(
      'COSFACE_NOT_FINITE',
      place,
      `row ${row}, column ${column} (from 0) is ${value}, expected a finite number. ` +
        'Find out why the model gave that; features that are not finite have no similarity.',
    );
  }
}

function withFile<T>(place: FilePlace, use: (descriptor: number) => T): T {
  const descriptor = openFile(place);
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function readHeader(descriptor: number, size: number, place: FilePlace): NpyHeader {
  const start = readExactly(descriptor, Buffer.alloc(Math.min(12, size)), 0, place);
  if (size < 12 || !start.subarray(0, MAGIC.length).equals(MAGIC)) throw unusable(place, 'this is no .npy file');
  const version = start[6] as number;
  if (version < 1 || version > 3) throw unusable(place, `version ${version} of .npy is unknown, expected 1, 2 or 3`);
  const [length, from] = version === 1 ? [start.readUInt16LE(8), 10] : [start.readUInt32LE(8), 12];
  if (length > LARGEST_HEADER || from + length > size)
    throw unusable(
      place,
      `the header claims ${length} bytes, the file has ${size} (and ${LARGEST_HEADER} is the limit)`,
    );
  const text = readExactly(descriptor, Buffer.alloc(length), from, place).toString('latin1');
  return { ...parseHeader(text, size - from - length, place), offset: from + length };
}

/** The header is the text of a Python dict; of that only what NumPy writes for a matrix of numbers is read. */
function parseHeader(text: string, bytes: number, place: FilePlace): Omit<NpyHeader, 'offset'> {
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (order === undefined || shape === undefined)
    throw unusable(place, `the header ${JSON.stringify(text.slice(0, 120))} has no 'fortran_order' and 'shape'`);
  const type = TYPES[descr ?? ''];
  if (!type) throw unusable(place, `the values are of type ${descr ?? 'structure'}, expected <f2, <f4 or <f8`);
  if (order === 'True') throw unusable(place, 'the values are in Fortran order, expected C order');
  const sizes = shape.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number.parseInt(part, 10)]));
  const [rows = 0, dim = 0] = sizes;
  if (sizes.length !== 2 || rows < 1 || dim < 1)
    throw unusable(place, `the shape is (${shape}), expected (rows, features) with at least one of each`);
  if (rows * dim * type.bytes !== bytes)
    throw unusable(
      place,
      `the shape (${rows}, ${dim}) of ${type.dtype} takes ${rows * dim * type.bytes} bytes, but ${bytes} follow the header`,
    );
  return { dtype: type.dtype, rows, dim };
}

function unusable(place: FilePlace, what: string): Error {
  return dataError(
    'COSFACE_DATA',
    place,
    `${what}. Save features with numpy.save(file, numpy.ascontiguousarray(features, '<f4')), shape [rows, features].`,
  );
}

interface Source {
  dtype: FeatureType;
  offset: number;
  place: FilePlace;
}

function fill(values: Float32Array, descriptor: number, { dtype, offset, place }: Source): void {
  const bytes = { float16: 2, float32: 4, float64: 8 }[dtype];
  const count = PIECE_BYTES / bytes;
  const piece = Buffer.from(new ArrayBuffer(PIECE_BYTES));
  for (let from = 0; from < values.length; from += count) {
    const length = Math.min(count, values.length - from);
    const read = readExactly(descriptor, piece.subarray(0, length * bytes), offset + from * bytes, place);
    values.set(numbersOf(read, dtype), from);
  }
}

/** Every platform that Node runs on is little-endian or says so; s390x is the one that is not, and has no binary here. */
function numbersOf({ buffer, byteOffset, length }: Buffer, dtype: FeatureType): ArrayLike<number> {
  if (dtype === 'float64') return new Float64Array(buffer, byteOffset, length / 8);
  if (dtype === 'float32') return new Float32Array(buffer, byteOffset, length / 4);
  return float16Values(new Uint16Array(buffer, byteOffset, length / 2));
}

function readExactly(descriptor: number, into: Buffer, position: number, place: FilePlace): Buffer {
  let done = 0;
  while (done < into.length) {
    let read: number;
    try {
      read = readSync(descriptor, into, done, into.length - done, position + done);
    } catch (cause) {
      throw fileError(place, cause);
    }
    if (read === 0) throw unusable(place, `the file ended at byte ${position + done}, while it was read`);
    done += read;
  }
  return into;
}
