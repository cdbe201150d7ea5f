import { cosineScores } from './cosine-pairs.js';
import { falseAcceptRates, type PairsEvaluation } from './evaluation.js';
import { featureRows } from './feature-rows.js';
import { foldFigures, withFolds } from './fold-figures.js';
import { resolvePairs } from './named-pair.js';
import { pairFigures } from './pair-figures.js';
import type { EvaluateRequest } from './request.js';
import { describeFiles, joined, readRequestFeatures } from './request-files.js';
import { requestPairs } from './request-pairs.js';
import { requireBothKinds } from './require-both-kinds.js';

/** Any list of pairs, by the cosine of their features. */
export function evaluatePairs(request: EvaluateRequest): PairsEvaluation {
  const { place, pairs: listed } = requestPairs(request);
  const features = readRequestFeatures(request);
  const { find } = featureRows(features.table.names);
  const pairs = resolvePairs(listed, { place, find, missing: request.missing, what: 'the image' });
  requireBothKinds(pairs, place);
  const { values, dim } = joined(features, request, 'concatenate');
  const scores = cosineScores(values, dim, pairs);
  const level = request.confidence;
  return {
    protocol: 'pairs',
    ...describeFiles(request, features, { rule: 'concatenate', skipped: pairs.skipped }),
    ...foldFigures(scores, withFolds(pairs), level),
    ...pairFigures(scores, pairs.same, { falseAcceptRates: falseAcceptRates(request), level }).figures,
  };
}
