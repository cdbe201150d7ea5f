import type { FilePlace } from '../data/data-error.js';
import { readLfwPairs } from './lfw-pairs.js';
import type { NamedPair } from './named-pair.js';
import { readPairLines } from './pair-lines.js';
import type { EvaluateRequest } from './request.js';
import { pairsPlace } from './request-files.js';

/** Pairs of images, and where they come from. */
export interface RequestPairs {
  place: FilePlace;
  pairs: Iterable<NamedPair>;
}

/** What `lfw` and `pairs` are about: the pairs of the list, or those in memory. */
export function requestPairs(request: EvaluateRequest): RequestPairs {
  const { pairs, protocol } = request;
  if (typeof pairs === 'object') {
    const numbered = pairs.pairs.map(({ fold = -1, ...pair }, index) => ({ ...pair, fold, line: index + 1 }));
    return { place: { file: pairs.source, argument: 'pairs' }, pairs: numbered };
  }
  const place = pairsPlace(request);
  return { place, pairs: protocol === 'lfw' ? readLfwPairs(place) : readPairLines(place) };
}
