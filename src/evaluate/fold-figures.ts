import type { Pairs } from './cosine-pairs.js';
import { dealFolds } from './deal-folds.js';
import type { FoldFigures } from './evaluation.js';
import { accuracyFigures } from './pair-figures.js';

export interface FoldedPairs<P extends Pairs> {
  pairs: P;
  foldsFrom: 'list' | 'dealt' | null;
}

/** The pairs with the folds of their list, or with folds dealt out; `null` where there are too few pairs for any. */
export function withFolds<P extends Pairs>(pairs: P): FoldedPairs<P> {
  const least = pairs.fold.reduce((lowest, fold) => Math.min(lowest, fold), Number.POSITIVE_INFINITY);
  if (least >= 0 && pairs.fold.some((fold) => fold !== least)) return { pairs, foldsFrom: 'list' };
  const fold = dealFolds(pairs.same);
  return fold ? { pairs: { ...pairs, fold }, foldsFrom: 'dealt' } : { pairs, foldsFrom: null };
}

/** What there is to say where there are too few pairs. */
export const NO_FOLDS: FoldFigures = {
  accuracy: null,
  standardError: null,
  accuracyInterval: null,
  folds: [],
  foldsFrom: null,
};

export function foldFigures(
  scores: Float64Array,
  { pairs, foldsFrom }: FoldedPairs<Pairs>,
  level: number,
): FoldFigures {
  if (foldsFrom === null) return NO_FOLDS;
  return { ...accuracyFigures(scores, pairs, level), foldsFrom };
}
