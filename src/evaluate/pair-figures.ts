import type { Pairs } from './cosine-pairs.js';
import { areaInterval, type ConfidenceInterval, studentInterval, wilsonInterval } from './intervals.js';
import { areaUnderRoc, equalErrorPoint, pointAt, type RocCurve, rocCurve } from './roc.js';
import { type ScoreHistogram, scoreHistogram } from './score-histogram.js';
import { crossValidatedAccuracy } from './verification.js';

/** What scored pairs say about a model. Thresholds are cosines: a pair at or above is accepted. */
export interface PairFigures {
  pairs: number;
  genuine: number;
  impostor: number;
  auc: number;
  aucInterval: ConfidenceInterval | null;
  eer: number;
  eerThreshold: number | null;
  tarAtFar: TarAtFar[];
  /** The threshold that judges most of these very pairs rightly, and how many: an upper bound, no result. */
  best: { threshold: number | null; accuracy: number };
  scores: { genuine: Spread; impostor: Spread };
  /** Falling thresholds; so few points that they can be drawn. */
  roc: Array<{ far: number; tar: number; threshold: number | null }>;
  histogram: ScoreHistogram;
}

export interface TarAtFar {
  /** What was asked for. */
  far: number;
  tar: number;
  /** Genuine pairs taken as independent. */
  interval: ConfidenceInterval;
  /** null where nothing may be accepted. */
  threshold: number | null;
  /** Impostor pairs that this threshold accepts: at most far x impostors. */
  falseAccepts: number;
  /** Whether there are at least 1 / far impostor pairs; otherwise this is TAR at no false accept. */
  resolved: boolean;
}

export interface Spread {
  mean: number;
  deviation: number;
  least: number;
  most: number;
}

export interface AccuracyFigures {
  accuracy: number;
  /** Standard deviation (n - 1) of the folds over sqrt(folds). */
  standardError: number;
  accuracyInterval: ConfidenceInterval | null;
  folds: Array<{ fold: number; pairs: number; threshold: number | null; accuracy: number }>;
}

/** False accept rates are each in [0, 1], `level` is that of the confidence intervals. */
export function pairFigures(
  scores: Float64Array,
  same: Uint8Array,
  { falseAcceptRates, level }: { falseAcceptRates: readonly number[]; level: number },
): { figures: PairFigures; curve: RocCurve } {
  const curve = rocCurve(scores, same);
  const genuine = same.reduce((count, kind) => count + kind, 0);
  const impostor = same.length - genuine;
  const eer = equalErrorPoint(curve);
  const figures: PairFigures = {
    pairs: same.length,
    genuine,
    impostor,
    auc: areaUnderRoc(curve),
    aucInterval: areaInterval(curve, { genuine, impostor }, level) ?? null,
    eer: eer.rate,
    eerThreshold: finiteOrNull(eer.threshold),
    tarAtFar: falseAcceptRates.map((far) => tarAtFar(curve, far, { genuine, impostor, level })),
    best: bestPoint(curve, { genuine, impostor }),
    scores: { genuine: spread(scores, same, 1), impostor: spread(scores, same, 0) },
    roc: thinned(curve, impostor),
    histogram: scoreHistogram(scores, same),
  };
  return { figures, curve };
}

/** LFW's own rule: each fold judged by the threshold, midway between scores, that does best on all the others. */
export function accuracyFigures(scores: Float64Array, pairs: Pairs, level: number): AccuracyFigures {
  const { mean, standardError, folds } = crossValidatedAccuracy(scores, pairs.same, pairs.fold);
  const sizes = new Map<number, number>();
  for (const fold of pairs.fold) sizes.set(fold, (sizes.get(fold) ?? 0) + 1);
  const names = [...sizes.keys()].sort((a, b) => a - b);
  return {
    accuracy: mean,
    standardError,
    accuracyInterval:
      studentInterval(
        folds.map(({ accuracy }) => accuracy),
        level,
      ) ?? null,
    folds: folds.map(({ threshold, accuracy }, at) => ({
      fold: (names[at] as number) + 1,
      pairs: sizes.get(names[at] as number) as number,
      threshold: finiteOrNull(threshold),
      accuracy,
    })),
  };
}

interface Counts {
  genuine: number;
  impostor: number;
}

function tarAtFar(curve: RocCurve, far: number, { genuine, impostor, level }: Counts & { level: number }): TarAtFar {
  const point = pointAt(curve, far);
  return {
    far,
    tar: point.tar,
    interval: wilsonInterval(Math.round(point.tar * genuine), genuine, level),
    threshold: finiteOrNull(point.threshold),
    falseAccepts: Math.round(point.far * impostor),
    resolved: far * impostor >= 1,
  };
}

function bestPoint({ falseAccepts, trueAccepts, thresholds }: RocCurve, { genuine, impostor }: Counts) {
  let [best, most] = [0, -1];
  for (let i = 0; i < falseAccepts.length; i++) {
    const right = (trueAccepts[i] as number) * genuine + (1 - (falseAccepts[i] as number)) * impostor;
    if (right > most) [best, most] = [i, right];
  }
  return { threshold: finiteOrNull(thresholds[best] as number), accuracy: Math.round(most) / (genuine + impostor) };
}

function spread(scores: Float64Array, same: Uint8Array, kind: 0 | 1): Spread {
  let [count, sum, least, most] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  scores.forEach((score, i) => {
    if (same[i] !== kind) return;
    count++;
    sum += score;
    least = Math.min(least, score);
    most = Math.max(most, score);
  });
  const mean = sum / count;
  let squares = 0;
  scores.forEach((score, i) => {
    if (same[i] === kind) squares += (score - mean) ** 2;
  });
  return { mean, deviation: Math.sqrt(squares / count), least, most };
}

/** Points at 40 false accept rates a decade, which is finer than a picture can show. */
function thinned(curve: RocCurve, impostor: number): PairFigures['roc'] {
  const decades = Math.max(1, Math.log10(impostor));
  const steps = Math.ceil(40 * decades);
  const rates = [0, ...Array.from({ length: steps + 1 }, (_, k) => 10 ** (-decades * (1 - k / steps)))];
  const points = rates.map((far) => pointAt(curve, far));
  return points
    .filter(({ threshold }, i) => threshold !== points[i - 1]?.threshold)
    .map((point) => ({ ...point, threshold: finiteOrNull(point.threshold) }));
}

/** JSON has no infinities. */
function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
