import type { PairList } from '../data/pair-list.js';
import type { TemplatePooling } from './ijb-templates.js';
import type { MissingRule } from './named-pair.js';
import type { VideoPooling } from './pool-videos.js';

export const PROTOCOLS = ['lfw', 'ytf', 'megaface', 'ijb', 'pairs'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** `exact` is LFW's own rule with thresholds midway between scores; the others are public scripts. */
export const VARIANTS = ['exact', 'sphereface', 'cosface-pytorch', 'insightface'] as const;
export type Variant = (typeof VARIANTS)[number];

export const MISSING_RULES = ['error', 'skip'] as const;

/** Features in memory, with what a list would say of them. */
export interface NamedFeatures {
  /** Row-major [rows, dim], finite. */
  values: Float32Array;
  dim: number;
  /** The name of each row, usually the path of an image. All different. */
  names: readonly string[];
  /** The identity of each row; megaface uses them. */
  labels?: readonly string[] | undefined;
  /** Those of the mirrored images, [rows, dim]. */
  flipped?: Float32Array | undefined;
  /** What results call them. Default 'features'. */
  source?: string | undefined;
}

/** What every evaluation must know; the rest has defaults. */
type Required = 'protocol' | 'features';
type Choices = 'missing' | 'confidence' | 'variant' | 'ranks' | 'histogram';

/** Files and choices of an evaluation, each named as the option of `cosface evaluate` that gives it. */
export type EvaluateOptions = Pick<EvaluateRequest, Required> & {
  [Name in Choices]?: EvaluateRequest[Name] | undefined;
} & Omit<EvaluateRequest, Required | Choices>;

/** The same, defaults filled in. */
export interface EvaluateRequest {
  protocol: Protocol;
  /** .npy [rows, dim], or a folder of MegaFace's feature files; or the features themselves. */
  features: string | NamedFeatures;
  /** The name of each row of such a file. */
  list?: string | undefined;
  /** The protocol's list of pairs, for lfw and pairs also in memory; megaface: of probes, which may be left out. */
  pairs?: string | PairList | undefined;
  /** Features of the mirrored images. */
  flipped?: string | undefined;
  /** megaface: the end of the names of feature files. */
  suffix?: string | undefined;
  /** A pair without features is an error (default), or is left out and counted. */
  missing: MissingRule;
  /** False accept rates; default by protocol. */
  far?: readonly number[] | undefined;
  /** Of the confidence intervals, in (0, 1). Default 0.95. */
  confidence: number;
  /** lfw: whose accuracy stands first. Default 'exact'. */
  variant: Variant;
  pooling?: VideoPooling | TemplatePooling | undefined;
  /** ijb: ijb?_face_tid_mid.txt, where `list` is another. */
  templates?: string | undefined;
  /** ijb: ijb?_name_5pts_score.txt. */
  quality?: string | undefined;
  distractors?: string | undefined;
  distractorList?: string | undefined;
  /** megaface: sizes of the galleries. */
  counts?: readonly number[] | undefined;
  /** megaface: ranks of the CMC. Default 100. */
  ranks: number;
  threads?: number | undefined;
  /** megaface: count the scores for a histogram, which takes as long again. Default false. */
  histogram: boolean;
}
