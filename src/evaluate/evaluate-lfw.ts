import { cosineScores, type Pairs } from './cosine-pairs.js';
import { type FoldFigures, falseAcceptRates, type LfwEvaluation } from './evaluation.js';
import { featureRows } from './feature-rows.js';
import type { FeatureTable } from './feature-table.js';
import { type FoldedPairs, NO_FOLDS, withFolds } from './fold-figures.js';
import { studentInterval } from './intervals.js';
import { resolvePairs } from './named-pair.js';
import { accuracyFigures, pairFigures } from './pair-figures.js';
import { cosFacePytorchVariant, insightFaceVariant, sphereFaceVariant, type VariantResult } from './public-variants.js';
import type { EvaluateRequest, Variant } from './request.js';
import { describeFiles, joined, type RequestFeatures, readRequestFeatures } from './request-files.js';
import { requestPairs } from './request-pairs.js';
import { requireBothKinds } from './require-both-kinds.js';

/**
 * LFW's View 2 (or a list of its form): ten folds, by LFW's own rule and by those of three public scripts. AUC, EER,
 * TAR and thresholds are of plain cosines over all pairs.
 */
export function evaluateLfw(request: EvaluateRequest): LfwEvaluation {
  const { place, pairs } = requestPairs(request);
  const features = readRequestFeatures(request);
  const { find } = featureRows(features.table.names);
  const listed = resolvePairs(pairs, { place, find, missing: request.missing, what: 'the image' });
  requireBothKinds(listed, place);
  const folded = withFolds(listed);
  const side = joined(features, request, 'concatenate');
  const scores = cosineScores(side.values, side.dim, folded.pairs);
  const level = request.confidence;
  const files = describeFiles(request, features, { rule: 'concatenate', skipped: listed.skipped });
  const variants =
    folded.foldsFrom === null ? [] : allVariants(features, request, { side, scores, pairs: folded.pairs });
  return {
    protocol: 'lfw',
    ...files,
    variant: request.variant,
    ...headline(variants, request.variant, folded.foldsFrom),
    variants,
    ...pairFigures(scores, listed.same, { falseAcceptRates: falseAcceptRates(request), level }).figures,
  };
}

function headline(
  variants: LfwEvaluation['variants'],
  asked: Variant,
  foldsFrom: FoldedPairs<Pairs>['foldsFrom'],
): FoldFigures {
  const found = variants.find(({ variant }) => variant === asked);
  if (!found || foldsFrom === null) return NO_FOLDS;
  const { accuracy, standardError, accuracyInterval, folds } = found;
  return { accuracy, standardError, accuracyInterval, folds, foldsFrom };
}

function allVariants(
  features: RequestFeatures,
  request: EvaluateRequest,
  { side, scores, pairs }: { side: FeatureTable; scores: Float64Array; pairs: Pairs },
): LfwEvaluation['variants'] {
  const level = request.confidence;
  const flip = features.flipped ? ('concatenate' as const) : null;
  const sizes = new Map<number, number>();
  for (const fold of pairs.fold) sizes.set(fold + 1, (sizes.get(fold + 1) ?? 0) + 1);
  const own = accuracyFigures(scores, pairs, level);
  const spread = Math.sqrt(
    own.folds.reduce((sum, { accuracy }) => sum + (accuracy - own.accuracy) ** 2, 0) / own.folds.length,
  );
  const shaped = ({ mean, folds, ...rest }: VariantResult) => ({
    ...rest,
    accuracy: mean,
    accuracyInterval:
      studentInterval(
        folds.map(({ accuracy }) => accuracy),
        level,
      ) ?? null,
    folds: folds.map((fold) => ({ ...fold, pairs: sizes.get(fold.fold) as number })),
  });
  return [
    { variant: 'exact', flip, deviation: spread, ...own },
    { flip, ...shaped(sphereFaceVariant(side, pairs)) },
    { flip, ...shaped(cosFacePytorchVariant(side, pairs)) },
    { flip: flip && 'add', ...shaped(insightFaceVariant(joined(features, request, 'add'), pairs)) },
  ];
}
