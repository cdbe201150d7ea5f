import type { FeatureType } from '../data/read-npy.js';
import type { FlipRule } from './feature-table.js';
import type { MegaFaceFigures } from './megaface.js';
import type { AccuracyFigures, PairFigures } from './pair-figures.js';
import type { VariantResult } from './public-variants.js';
import type { EvaluateRequest, Protocol, Variant } from './request.js';
import type { RocPoint } from './roc.js';

/** What was scored. File names as they were given, so that two runs print the same. */
export interface EvaluatedFiles {
  features: { file: string; rows: number; dim: number; dtype: FeatureType; zeroRows: number };
  /** null for features in memory. */
  list: string | null;
  /** How `--flipped` was joined; null without. */
  flip: FlipRule | null;
  pairsFile: string | null;
  /** Pairs left out by `--missing skip`. */
  skippedPairs: number;
}

interface AboutPairs extends EvaluatedFiles, PairFigures {
  protocol: Protocol;
}

/** Accuracy over folds: those of the list, or dealt out where it has none. null: too few pairs for folds. */
export type FoldFigures =
  | (AccuracyFigures & { foldsFrom: 'list' | 'dealt' })
  | { accuracy: null; standardError: null; accuracyInterval: null; folds: []; foldsFrom: null };

export type PairsEvaluation = AboutPairs & { protocol: 'pairs' } & FoldFigures;
export type YtfEvaluation = AboutPairs & { protocol: 'ytf'; pooling: string; videos: number } & FoldFigures;
export type LfwEvaluation = AboutPairs & {
  protocol: 'lfw';
  /** Whose accuracy `accuracy`, `standardError`, `accuracyInterval` and `folds` are. */
  variant: Variant;
  variants: Array<
    AccuracyFigures & Omit<VariantResult, 'variant' | 'mean' | 'folds'> & { variant: Variant; flip: FlipRule | null }
  >;
} & FoldFigures;
export type IjbEvaluation = AboutPairs & {
  protocol: 'ijb';
  pooling: string;
  quality: string | null;
  templates: number;
  /** By InsightFace's rule: the point of the curve whose FAR is nearest, be it above. */
  nearestPoints: Array<{ asked: number } & Omit<RocPoint, 'threshold'> & { threshold: number | null }>;
};
export type MegaFaceEvaluation = EvaluatedFiles &
  MegaFaceFigures & { protocol: 'megaface'; distractorsFile: string | null };

export type Evaluation = PairsEvaluation | YtfEvaluation | LfwEvaluation | IjbEvaluation | MegaFaceEvaluation;

/** What a protocol gives. */
export type EvaluationOf<P extends Protocol> = Extract<Evaluation, { protocol: P }>;

/** The requests' defaults: rates that the usual number of pairs of the protocol can tell apart. */
export function falseAcceptRates({ far, protocol }: EvaluateRequest): readonly number[] {
  if (far) return far;
  if (protocol === 'megaface') return [1e-6, 1e-5, 1e-4];
  return protocol === 'ijb' ? [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1] : [1e-4, 1e-3, 1e-2, 1e-1];
}
