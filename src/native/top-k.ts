import type { TopKCall, TopKResult } from './addon.js';
import { loadAddon } from './load.js';
import { readSearch, type SearchOptions } from './search-options.js';

/** Arguments of topK and topKAsync. */
export interface TopKOptions extends SearchOptions {
  /** How many gallery rows for each query: a whole number in [1, G]. */
  k: number;
}

/**
 * The k gallery rows nearest to each query by cosine, without ever storing the Q x G cosines.
 *
 * Exact: rows and their order are those of cosines in double precision, equal cosines by rising gallery index, the same
 * on every instruction set and any number of threads. A row of norm below 1e-12 has cosine 0 with everything. The
 * matrix product runs in float32 and decides all pairs that its rounding leaves no doubt about; the rest are formed in
 * double (docs/math.md, "Search"). A gallery that mostly ties is slower, in proportion to its size.
 *
 * Runs on the calling thread and `threads - 1` more; topKAsync leaves the event loop free. Inputs are read where they
 * lie.
 *
 * @returns `indices` [Q, k], `scores` [Q, k], the cosines as float32, in [-1, 1]; both by falling cosine.
 * @throws {CosFaceError} COSFACE_DTYPE, COSFACE_SHAPE, COSFACE_OPTION_RANGE or COSFACE_NOT_FINITE for an argument that
 * is wrong, with its name and the index; COSFACE_DETACHED or COSFACE_SHARED_BUFFER for memory that cannot be used;
 * COSFACE_OUT_OF_MEMORY; COSFACE_ENVIRONMENT; COSFACE_UNSUPPORTED; COSFACE_NO_BINARY.
 *
 * @example
 * const { indices, scores } = topK({
 *   queries: Float32Array.of(1, 0.1),
 *   gallery: Float32Array.of(0, 1, 2, 0, 1, 1),
 *   dim: 2,
 *   k: 2,
 * });
 * // indices: 1, 2; scores: 0.995, 0.774
 */
export function topK(options: TopKOptions): TopKResult {
  return loadAddon().topK(readOptions(options));
}

/**
 * topK off the event loop: same arguments, same result.
 *
 * The inputs are copied before this returns, so the caller may change, transfer or drop its arrays at once; at most
 * UV_THREADPOOL_SIZE (default 4) calls run at a time, the rest wait.
 *
 * @returns A promise that rejects where topK throws.
 * @example
 * const { indices } = await topKAsync({ queries, gallery, dim: 512, k: 10 });
 */
export async function topKAsync(options: TopKOptions): Promise<TopKResult> {
  return await loadAddon().topKAsync(readOptions(options));
}

function readOptions(options: TopKOptions): TopKCall {
  return { ...readSearch(options, { name: 'topK', own: 'k' }), k: options.k };
}
