import { dataError, type FilePlace } from '../data/data-error.js';
import type { FeatureList } from '../data/feature-list.js';
import { type FeatureMatrix, readNpy, requireFinite } from '../data/read-npy.js';
import { isFolder, readFeatureFolder } from './read-feature-folder.js';

/** Features of which every row has a name. */
export interface FeatureTable extends FeatureMatrix, FeatureList {}

export interface FeatureFiles {
  /** A .npy, or a folder of MegaFace feature files. */
  features: FilePlace;
  list: FilePlace;
  /** The end of the files' names in such a folder, after the path in the list. */
  suffix?: string | undefined;
}

/**
 * The features of rows whose names are known.
 *
 * @throws {CosFaceError} As readNpy and readFeatureFolder; COSFACE_DATA if there are not as many names as rows.
 */
export function readMatrix({ features, list, suffix = '' }: FeatureFiles, names: readonly string[]): FeatureMatrix {
  if (isFolder(features.file)) return readFeatureFolder(features, names, { suffix, list });
  const matrix = readNpy(features);
  if (matrix.rows === names.length) return matrix;
  throw dataError(
    'COSFACE_DATA',
    list,
    `has ${names.length} names, but ${features.file} has ${matrix.rows} rows. Give the list that was written with it.`,
  );
}

/** How the features of an image and of its mirror image become one. */
export type FlipRule = 'concatenate' | 'add';

/** @throws {CosFaceError} COSFACE_DATA unless both have one shape; COSFACE_NOT_FINITE if a sum is beyond float32. */
export function withFlipped(
  plain: FeatureMatrix,
  flipped: FeatureMatrix,
  { rule, place }: { rule: FlipRule; place: FilePlace },
): FeatureMatrix {
  const { rows, dim, dtype } = plain;
  if (flipped.rows !== rows || flipped.dim !== dim)
    throw dataError(
      'COSFACE_DATA',
      place,
      `the shape is (${flipped.rows}, ${flipped.dim}), expected that of --features, (${rows}, ${dim}). ` +
        'Embed the mirrored images with the same model, in the same order.',
    );
  if (rule === 'add') {
    const values = plain.values.map((value, i) => value + (flipped.values[i] as number));
    requireFinite(values, dim, place);
    return { values, rows, dim, dtype };
  }
  const values = new Float32Array(2 * rows * dim);
  for (let row = 0; row < rows; row++) {
    values.set(plain.values.subarray(row * dim, (row + 1) * dim), 2 * row * dim);
    values.set(flipped.values.subarray(row * dim, (row + 1) * dim), (2 * row + 1) * dim);
  }
  return { values, rows, dim: 2 * dim, dtype };
}

/** Rows of norm zero have cosine 0 with everything; a count above 0 deserves a look at the model. */
export function countZeroRows({ values, rows, dim }: FeatureMatrix): number {
  let zeros = 0;
  for (let row = 0; row < rows; row++) if (values.subarray(row * dim, (row + 1) * dim).every((x) => x === 0)) zeros++;
  return zeros;
}
