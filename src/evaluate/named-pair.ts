import { dataError, type FilePlace } from '../data/data-error.js';
import type { Pairs } from './cosine-pairs.js';

/** A pair as a list has it. */
export interface NamedPair {
  left: string;
  right: string;
  /** Whether both are of one identity. */
  same: boolean;
  /** From 0; -1 where the list has no folds. */
  fold: number;
  line: number;
}

/** What to do with a pair that names something without features. */
export type MissingRule = 'error' | 'skip';

export interface ResolvedPairs extends Pairs {
  /** Pairs that were left out because something had no features. */
  skipped: number;
}

export interface ResolveOptions {
  place: FilePlace;
  /** The row that a name means, -1 where there is none. */
  find: (name: string, place: FilePlace) => number;
  missing: MissingRule;
  /** The noun of what a name means, for an error. */
  what: string;
}

/** Pairs of rows: 13 bytes a pair, whatever the length of the names. */
export function resolvePairs(pairs: Iterable<NamedPair>, options: ResolveOptions): ResolvedPairs {
  const { place, find, missing, what } = options;
  let capacity = 1024;
  let left = new Int32Array(capacity);
  let right = new Int32Array(capacity);
  let fold = new Int32Array(capacity);
  let same = new Uint8Array(capacity);
  let [count, skipped] = [0, 0];
  for (const pair of pairs) {
    const at = { ...place, line: pair.line };
    const rows = [find(pair.left, at), find(pair.right, at)] as const;
    const absent = rows[0] < 0 ? pair.left : rows[1] < 0 ? pair.right : undefined;
    if (absent !== undefined) {
      if (missing === 'error') throw missingFeature(absent, what, at);
      skipped++;
      continue;
    }
    if (count === capacity) {
      capacity *= 2;
      left = copied(left, new Int32Array(capacity));
      right = copied(right, new Int32Array(capacity));
      fold = copied(fold, new Int32Array(capacity));
      same = copied(same, new Uint8Array(capacity));
    }
    [left[count], right[count]] = rows;
    fold[count] = pair.fold;
    same[count++] = pair.same ? 1 : 0;
  }
  return {
    left: left.subarray(0, count),
    right: right.subarray(0, count),
    same: same.subarray(0, count),
    fold: fold.subarray(0, count),
    skipped,
  };
}

function copied<T extends Int32Array | Uint8Array>(values: T, into: T): T {
  into.set(values);
  return into;
}

function missingFeature(name: string, what: string, place: FilePlace): Error {
  return dataError(
    'COSFACE_MISSING_FEATURE',
    place,
    `there are no features of ${what} '${name}'. Add them to --features and --list, or leave such pairs out with --missing skip.`,
  );
}
