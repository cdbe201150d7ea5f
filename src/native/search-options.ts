import type { SearchInputs } from './addon.js';
import { CosFaceError, spell } from './errors.js';

/** Vectors and where to run, of every search. Q queries, G gallery rows, D features; matrices are row-major. */
export interface SearchOptions {
  /** [Q, D]. Rows need not be normalised. */
  queries: Float32Array;
  /** [G, D], at least one row. Rows need not be normalised. */
  gallery: Float32Array;
  /** D, a whole number in [1, 2^24]. */
  dim: number;
  /** Whole number in [0, 1024]; 0 is COSFACE_THREADS, else one per processor. The result does not depend on it. */
  threads?: number | undefined;
  /** Budget of memory beyond inputs and results. Default 64 MiB. */
  workspaceBytes?: number | undefined;
}

/** The pairs that are counted, each of a query and a gallery row. */
export interface PairOptions extends Omit<SearchOptions, 'gallery'> {
  /** [G, D], at least one row. Left out: the pairs are those of two different queries, each counted once. */
  gallery?: Float32Array | null | undefined;
  /** [Q], identities: a pair of equal ones is genuine, any other an impostor. Left out: all pairs are impostors. */
  queryLabels?: Int32Array | null | undefined;
  /** [G]; with a gallery, give both labels or neither. */
  galleryLabels?: Int32Array | null | undefined;
}

const SEARCH_NAMES = ['queries', 'gallery', 'dim', 'threads', 'workspaceBytes'];
const PAIR_NAMES = [...SEARCH_NAMES, 'queryLabels', 'galleryLabels'];

/** Checks the names, which the binary cannot see; kinds, lengths and ranges are the binary's to check. */
export function readSearch(options: SearchOptions, call: { name: string; own: string }): SearchInputs {
  requireKnownNames(options, call.name, [...SEARCH_NAMES, call.own]);
  const { queries, gallery, dim, threads, workspaceBytes } = options;
  return { queries, gallery, dim, threads, workspaceBytes };
}

/** As readSearch, with labels. */
export function readPairs(options: PairOptions, call: { name: string; own: string }): SearchInputs {
  requireKnownNames(options, call.name, [...PAIR_NAMES, call.own]);
  const { queries, gallery, dim, threads, workspaceBytes, queryLabels, galleryLabels } = options;
  return { queries, gallery, dim, threads, workspaceBytes, queryLabels, galleryLabels };
}

function requireKnownNames(options: object, call: string, names: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new CosFaceError(
      'COSFACE_DTYPE',
      `options is ${spell(options)}, expected an object: ${call}({ queries, ... }).`,
      {
        argument: 'options',
      },
    );
  for (const name of Object.keys(options))
    if (!names.includes(name))
      throw new CosFaceError(
        'COSFACE_OPTION_RANGE',
        `${name} is no option of ${call}, expected one of ${names.join(', ')}.`,
        { argument: name },
      );
}

/**
 * Numbers as doubles, so that a threshold keeps every bit.
 *
 * @throws {CosFaceError} COSFACE_DTYPE for what is neither an array of numbers nor a Float32Array or Float64Array.
 */
export function readDoubles(values: unknown, name: string): Float64Array {
  const isList = Array.isArray(values) || values instanceof Float32Array || values instanceof Float64Array;
  const wrong = isList ? Array.prototype.findIndex.call(values, (value) => typeof value !== 'number') : -1;
  if (isList && wrong < 0) return Float64Array.from(values as ArrayLike<number>);
  const what = isList ? `${name}[${wrong}] is ${spell((values as unknown[])[wrong])}` : `${name} is ${spell(values)}`;
  throw new CosFaceError('COSFACE_DTYPE', `${what}, expected an array of numbers, a Float32Array or a Float64Array.`, {
    argument: name,
    index: wrong < 0 ? undefined : wrong,
  });
}
