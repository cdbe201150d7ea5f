import type { CountAboveCall, NativePairCounts } from './addon.js';
import { loadAddon } from './load.js';
import { type PairOptions, readDoubles, readPairs } from './search-options.js';

/** Arguments of countAbove and countAboveAsync. */
export interface CountAboveOptions extends PairOptions {
  /** [T], at least one, in any order; infinite ones are allowed. */
  thresholds: Float64Array | Float32Array | readonly number[];
}

/** Of one kind of pairs. Whole numbers, exact up to 2^53. */
export interface PairCounts {
  /** [T], pairs with cosine >= thresholds[t]. */
  counts: Float64Array;
  /** All pairs. */
  pairs: number;
}

/** What countAbove gives. TAR at thresholds[t] is genuine.counts[t] / genuine.pairs, FAR the same of impostors. */
export interface CountAboveResult {
  genuine: PairCounts;
  impostor: PairCounts;
}

/**
 * How many pairs have a cosine of at least each threshold, genuine and impostor pairs apart, without ever storing the
 * cosines: TAR and FAR over billions of pairs.
 *
 * Pairs are those of a query and a gallery row, or without a gallery those of two queries, each once. The counts are
 * those of cosines in double precision, the same on every instruction set and any number of threads (docs/math.md,
 * "Search"). A threshold that few pairs reach costs next to nothing; each one below most cosines costs a few hundredths
 * of the matrix product at D = 512.
 *
 * @throws {CosFaceError} As topK; COSFACE_NOT_FINITE for a threshold that is NaN.
 *
 * @example
 * const { genuine, impostor } = countAbove({
 *   queries: Float32Array.of(1, 0, 0.9, 0.1, 0, 1),
 *   queryLabels: Int32Array.of(7, 7, 8),
 *   dim: 2,
 *   thresholds: [0.5, -1],
 * });
 * // genuine: counts 1, 1 of 1 pair; impostor: counts 0, 2 of 2 pairs
 */
export function countAbove(options: CountAboveOptions): CountAboveResult {
  return resultOf(loadAddon().countAbove(readOptions(options)));
}

/**
 * countAbove off the event loop: same arguments, same result. Inputs are copied as topKAsync does.
 *
 * @returns A promise that rejects where countAbove throws.
 * @example
 * const { impostor } = await countAboveAsync({ queries, gallery, dim: 512, thresholds: [0.3] });
 */
export async function countAboveAsync(options: CountAboveOptions): Promise<CountAboveResult> {
  return resultOf(await loadAddon().countAboveAsync(readOptions(options)));
}

function readOptions(options: CountAboveOptions): CountAboveCall {
  const inputs = readPairs(options, { name: 'countAbove', own: 'thresholds' });
  return { ...inputs, thresholds: readDoubles(options.thresholds, 'thresholds') };
}

function resultOf({ genuine, impostor, genuinePairs, impostorPairs }: NativePairCounts): CountAboveResult {
  return {
    genuine: { counts: genuine, pairs: genuinePairs },
    impostor: { counts: impostor, pairs: impostorPairs },
  };
}
