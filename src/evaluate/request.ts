import type { TemplatePooling } from './ijb-templates.js';
import type { MissingRule } from './named-pair.js';
import type { VideoPooling } from './pool-videos.js';

export const PROTOCOLS = ['lfw', 'ytf', 'megaface', 'ijb', 'pairs'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** `exact` is LFW's own rule with thresholds midway between scores; the others are public scripts. */
export const VARIANTS = ['exact', 'sphereface', 'cosface-pytorch', 'insightface'] as const;
export type Variant = (typeof VARIANTS)[number];

/** Files and choices of an evaluation, each named as the option of `cosface evaluate` that gives it. */
export interface EvaluateRequest {
  protocol: Protocol;
  /** .npy [rows, dim], or a folder of MegaFace's feature files. */
  features: string;
  /** The name of each row. */
  list: string;
  /** The protocol's list of pairs; megaface: of probes, which may be left out. */
  pairs?: string | undefined;
  /** Features of the mirrored images. */
  flipped?: string | undefined;
  /** megaface: the end of the names of feature files. */
  suffix?: string | undefined;
  missing: MissingRule;
  /** False accept rates; default by protocol. */
  far?: readonly number[] | undefined;
  /** Of the confidence intervals, in (0, 1). */
  confidence: number;
  /** lfw: whose accuracy stands first. */
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
  ranks: number;
  threads?: number | undefined;
  /** megaface: count the scores for a histogram, which takes as long again. */
  histogram: boolean;
}
