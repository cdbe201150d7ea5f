export { type FeatureList, readFeatureList } from '../data/feature-list.js';
export { type FeatureMatrix, type FeatureType, readNpy } from '../data/read-npy.js';
export { CosFaceError } from '../native/errors.js';
export { cosineScores, type Pairs, pairsWithinFolds } from './cosine-pairs.js';
export { dealFolds } from './deal-folds.js';
export { evaluate } from './evaluate.js';
export { type EvaluateModelOptions, type EvaluationFlip, evaluateModel } from './evaluate-model.js';
export type {
  EvaluatedFiles,
  Evaluation,
  EvaluationOf,
  FoldFigures,
  IjbEvaluation,
  LfwEvaluation,
  MegaFaceEvaluation,
  PairsEvaluation,
  YtfEvaluation,
} from './evaluation.js';
export { type EvaluationPicture, evaluationPictures } from './evaluation-pictures.js';
export { poolTemplates, readTemplateList, type TemplateList, type TemplatePooling } from './ijb-templates.js';
export { areaInterval, type ConfidenceInterval, studentInterval, wilsonInterval } from './intervals.js';
export { readLfwPairs } from './lfw-pairs.js';
export {
  type Identification,
  type MegaFaceFigures,
  type MegaFaceOptions,
  type MegaFaceProblem,
  type MegaFaceRate,
  megaFace,
} from './megaface.js';
export type { MissingRule, NamedPair } from './named-pair.js';
export { type AccuracyFigures, accuracyFigures, type PairFigures, pairFigures, type TarAtFar } from './pair-figures.js';
export { readPairLines } from './pair-lines.js';
export { poolVideos, type VideoPooling } from './pool-videos.js';
export {
  cosFacePytorchVariant,
  insightFaceVariant,
  type PublicVariant,
  sphereFaceVariant,
  type VariantResult,
} from './public-variants.js';
export type { EvaluateOptions, NamedFeatures, Protocol, Variant } from './request.js';
export { areaUnderRoc, equalErrorPoint, pointAt, type RocCurve, type RocPoint, rocCurve } from './roc.js';
export type { ScoreHistogram } from './score-histogram.js';
export { readYtfPairs } from './ytf-pairs.js';
