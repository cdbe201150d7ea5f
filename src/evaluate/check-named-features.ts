import { requireFinite } from '../data/read-npy.js';
import { CosFaceError } from '../native/errors.js';
import type { NamedFeatures } from './request.js';
import type { RequestFeatures } from './request-files.js';

/**
 * Features in memory, as those of files are known.
 *
 * @throws {CosFaceError} COSFACE_SHAPE, COSFACE_DUPLICATE_NAME, COSFACE_NOT_FINITE.
 */
export function checkNamedFeatures({ values, dim, names, labels, flipped }: NamedFeatures): RequestFeatures {
  const rows = names.length;
  const refuse = (code: string, text: string) => new CosFaceError(code, text, { argument: 'features' });
  if (rows < 1 || !Number.isInteger(dim) || dim < 1 || values.length !== rows * dim)
    throw refuse('COSFACE_SHAPE', `features has ${values.length} values for ${rows} names of ${dim} values each.`);
  if (labels && labels.length !== rows)
    throw refuse('COSFACE_SHAPE', `features has ${labels.length} labels for ${rows} names.`);
  if (flipped && flipped.length !== values.length)
    throw refuse('COSFACE_SHAPE', `features.flipped has ${flipped.length} values, expected ${values.length}.`);
  if (new Set(names).size < rows) {
    const twice = names.find((name, row) => names.indexOf(name) !== row);
    throw refuse('COSFACE_DUPLICATE_NAME', `features has two rows called '${twice}'. Give each a name of its own.`);
  }
  const place = { file: 'features', argument: 'features' };
  requireFinite(values, dim, place);
  if (flipped) requireFinite(flipped, dim, place);
  const matrix = { rows, dim, dtype: 'float32' } as const;
  return {
    table: { ...matrix, values, names: [...names], labels: labels && [...labels] },
    flipped: flipped && { ...matrix, values: flipped },
  };
}
