import { closeSync, fstatSync, readSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import { dataError, type FilePlace, fileError } from '../data/data-error.js';
import { openFile } from '../data/open-file.js';
import { type FeatureMatrix, type FeatureType, requireFinite } from '../data/read-npy.js';

/** Rows, columns, bytes of a row or value, and type of an OpenCV matrix. */
const HEADER_BYTES = 16;
const TYPES: Readonly<Record<number, { dtype: FeatureType; bytes: number }>> = {
  5: { dtype: 'float32', bytes: 4 },
  6: { dtype: 'float64', bytes: 8 },
};
const LARGEST_DIM = 1 << 24;

/**
 * MegaFace's feature files, one for each name: an OpenCV matrix of one column, little-endian int32 rows, columns,
 * stride and type (5 float32, 6 float64), then the values. Memory: the result and one file.
 *
 * @throws {CosFaceError} COSFACE_FILE, COSFACE_DATA (also for a path out of the folder), COSFACE_NOT_FINITE; the list
 * and its line are named.
 *
 * Source: matio.py of the MegaFace development kit.
 */
export function readFeatureFolder(
  folder: FilePlace,
  names: readonly string[],
  { suffix, list }: { suffix: string; list: FilePlace },
): FeatureMatrix {
  const root = realpathSync(folder.file);
  let matrix: FeatureMatrix | undefined;
  names.forEach((name, row) => {
    const place = { file: pathInside(root, `${name}${suffix}`, list, row), argument: folder.argument };
    const { values, dtype } = readVector(place);
    matrix ??= {
      values: new Float32Array(names.length * values.length),
      rows: names.length,
      dim: values.length,
      dtype,
    };
    if (values.length !== matrix.dim)
      throw dataError(
        'COSFACE_DATA',
        place,
        `has ${values.length} features, the files before it ${matrix.dim}. Embed all images with one model.`,
      );
    requireFinite(values, values.length, place);
    matrix.values.set(values, row * matrix.dim);
  });
  return matrix as FeatureMatrix;
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** A list is not trusted: neither `..` nor a link leads out of the folder. */
function pathInside(root: string, name: string, list: FilePlace, row: number): string {
  const refuse = (what: string) =>
    dataError(
      'COSFACE_DATA',
      { ...list, line: row + 1 },
      `'${name}' ${what}. Give it relative to the features' folder.`,
    );
  if (isAbsolute(name) || name.includes('\0')) throw refuse('is no relative path');
  const path = join(root, name);
  let real: string;
  try {
    real = realpathSync(path);
  } catch (cause) {
    const outside = relative(root, path).startsWith('..');
    throw outside ? refuse('leads out of the folder of the features') : fileError({ file: path }, cause);
  }
  const way = relative(root, real);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
    throw refuse('leads out of the folder of the features');
  return real;
}

function readVector(place: FilePlace): { values: Float32Array; dtype: FeatureType } {
  const bytes = readSmallFile(place);
  if (bytes.length < HEADER_BYTES) throw unusable(place, `has ${bytes.length} bytes, too few for a header of 16`);
  const [rows, columns, , code] = [0, 4, 8, 12].map((at) => bytes.readInt32LE(at)) as [number, number, number, number];
  const type = TYPES[code];
  if (!type) throw unusable(place, `is of OpenCV type ${code}, expected 5 (float32) or 6 (float64)`);
  const count = rows * columns;
  if (rows < 1 || columns < 1 || HEADER_BYTES + count * type.bytes !== bytes.length)
    throw unusable(place, `${rows} x ${columns} of ${type.dtype} does not fit the file's ${bytes.length} bytes`);
  const read = type.bytes === 4 ? bytes.readFloatLE : bytes.readDoubleLE;
  const values = Float32Array.from({ length: count }, (_, i) => read.call(bytes, HEADER_BYTES + i * type.bytes));
  return { values, dtype: type.dtype };
}

function readSmallFile(place: FilePlace): Buffer {
  const descriptor = openFile(place);
  try {
    const { size } = fstatSync(descriptor);
    if (size > HEADER_BYTES + 8 * LARGEST_DIM) throw unusable(place, `has ${size} bytes, too many for one vector`);
    const bytes = Buffer.alloc(size);
    const read = readSync(descriptor, bytes);
    if (read < size) throw unusable(place, `ended at byte ${read} of ${size}`);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

function unusable(place: FilePlace, what: string): Error {
  return dataError('COSFACE_DATA', place, `${what}. Write it as MegaFace's matio.py does.`);
}
