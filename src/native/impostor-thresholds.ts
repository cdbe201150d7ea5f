import type { ImpostorThresholdsCall, ImpostorThresholdsResult } from './addon.js';
import { loadAddon } from './load.js';
import { type PairOptions, readDoubles, readPairs } from './search-options.js';

/** Arguments of impostorThresholds and impostorThresholdsAsync. */
export interface ImpostorThresholdsOptions extends PairOptions {
  /** [F], at least one, each in [0, 1]: 1e-6 for FAR = 1e-6. */
  falseAcceptRates: Float64Array | Float32Array | readonly number[];
}

/**
 * The exact thresholds of given false accept rates: of P impostor pairs, with m = floor(rate P), the least double above
 * the (m + 1)-th largest impostor cosine. -1, which accepts every pair, where m = P.
 *
 * Keeps only the m + 1 largest impostor cosines, 8 bytes each and thread: 8 KB for 1e-6 of a billion pairs. Give the
 * thresholds to countAbove for the true accept rate.
 *
 * @throws {CosFaceError} As countAbove; COSFACE_OPTION_RANGE for a rate outside [0, 1]; COSFACE_SHAPE if there is no
 * impostor pair.
 *
 * @example
 * const faces = {
 *   queries: Float32Array.of(1, 0, 0.9, 0.1, 0, 1, 0.6, 0.6),
 *   queryLabels: Int32Array.of(7, 7, 8, 8),
 *   dim: 2,
 * };
 * const { thresholds } = impostorThresholds({ ...faces, falseAcceptRates: [0.25] });
 * const { genuine, impostor } = countAbove({ ...faces, thresholds });
 * // impostor.counts: 1 of 4 pairs; genuine.counts: 1 of 2, so TAR@FAR=0.25 is 0.5
 */
export function impostorThresholds(options: ImpostorThresholdsOptions): ImpostorThresholdsResult {
  return loadAddon().impostorThresholds(readOptions(options));
}

/**
 * impostorThresholds off the event loop: same arguments, same result. Inputs are copied as topKAsync does.
 *
 * @returns A promise that rejects where impostorThresholds throws.
 * @example
 * const { thresholds } = await impostorThresholdsAsync({ queries, queryLabels, dim: 512, falseAcceptRates: [1e-6] });
 */
export async function impostorThresholdsAsync(options: ImpostorThresholdsOptions): Promise<ImpostorThresholdsResult> {
  return await loadAddon().impostorThresholdsAsync(readOptions(options));
}

function readOptions(options: ImpostorThresholdsOptions): ImpostorThresholdsCall {
  const inputs = readPairs(options, { name: 'impostorThresholds', own: 'falseAcceptRates' });
  return { ...inputs, falseAcceptRates: readDoubles(options.falseAcceptRates, 'falseAcceptRates') };
}
