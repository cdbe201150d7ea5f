import type { FeatureMatrix } from '../data/read-npy.js';
import { countAbove } from '../native/count-above.js';
import { CosFaceError } from '../native/errors.js';
import { impostorThresholds } from '../native/impostor-thresholds.js';
import { topK } from '../native/top-k.js';
import { cosine } from '../recognise/cosine.js';
import { type ConfidenceInterval, wilsonInterval } from './intervals.js';
import { HISTOGRAM_BINS, type ScoreHistogram } from './score-histogram.js';

/** MegaFace's challenge 1: find a mate of each probe among distractors, and tell mates from distractors. */
export interface MegaFaceProblem {
  probes: FeatureMatrix;
  /** The identity of each probe, [probes]. */
  identities: Int32Array;
  /** People that none of the probes shows. */
  distractors: FeatureMatrix;
}

export interface MegaFaceOptions {
  /** How many of the distractors, from the first, each search has. */
  counts: readonly number[];
  /** Ranks of the CMC. */
  ranks: number;
  falseAcceptRates: readonly number[];
  /** Of the confidence intervals. */
  level: number;
  threads?: number | undefined;
  /** Count the scores too, which takes as long again. */
  histogram: boolean;
}

export interface Identification {
  distractors: number;
  /** Ordered pairs of a probe and a mate. */
  searches: number;
  rank1: number;
  /** Searches taken as independent. */
  rank1Interval: ConfidenceInterval;
  /** The share of searches whose mate is among the first `rank`; ranks 1, 2, 5, 10, 20, ... */
  cmc: Array<{ rank: number; share: number }>;
}

export interface MegaFaceFigures {
  probes: number;
  identities: number;
  distractors: number;
  identification: Identification[];
  genuine: number;
  impostor: number;
  tarAtFar: MegaFaceRate[];
  roc: Array<{ far: number; tar: number; threshold: number }>;
  histogram: ScoreHistogram | null;
}

export interface MegaFaceRate {
  far: number;
  tar: number;
  interval: ConfidenceInterval;
  threshold: number;
  /** floor(far x impostor): the threshold is the least that accepts no more. */
  falseAcceptsAllowed: number;
  resolved: boolean;
}

/** The search keeps the largest impostor cosines up to the laxest rate, 8 bytes each and thread. */
const MOST_KEPT = 1 << 22;

/**
 * Identification as MegaFace counts it: for each ordered pair of a probe and a mate, the gallery is that mate and all
 * distractors, and a distractor that is exactly as near outranks the mate. Verification: genuine pairs are those of two
 * probes of one identity, impostor pairs those of a probe and a distractor.
 *
 * Memory beyond the features: probes x ranks x 8 bytes, 64 MiB, and the kept impostors.
 *
 * Source: Kemelmacher-Shlizerman et al., The MegaFace Benchmark, CVPR 2016, and its development kit.
 */
export function megaFace(problem: MegaFaceProblem, options: MegaFaceOptions): MegaFaceFigures {
  const { probes, identities, distractors } = problem;
  const mates = matesOf(identities);
  const identification = options.counts.map((count) => identify(problem, mates, { ...options, count }));
  return {
    probes: probes.rows,
    identities: new Set(identities).size,
    distractors: distractors.rows,
    identification,
    ...verify(problem, options),
    histogram: options.histogram ? histogram(problem, options) : null,
  };
}

/** For each probe the others of its identity. */
function matesOf(identities: Int32Array): Int32Array[] {
  const members = new Map<number, number[]>();
  identities.forEach((identity, probe) => {
    const probes = members.get(identity);
    if (probes) probes.push(probe);
    else members.set(identity, [probe]);
  });
  const lists = new Map([...members].map(([identity, probes]) => [identity, Int32Array.from(probes)]));
  const mates = Array.from(identities, (identity, probe) =>
    (lists.get(identity) as Int32Array).filter((other) => other !== probe),
  );
  if (mates.every((list) => list.length === 0))
    throw new CosFaceError(
      'COSFACE_DATA',
      'no probe has a mate: every identity has one image. Give identities in --pairs or as the labels of --list.',
    );
  return mates;
}

function identify(
  { probes, distractors }: MegaFaceProblem,
  mates: readonly Int32Array[],
  { count, ranks, threads, level }: MegaFaceOptions & { count: number },
): Identification {
  const { dim } = probes;
  const k = Math.min(ranks, count);
  const gallery = distractors.values.subarray(0, count * dim);
  const { scores, indices } = topK({ queries: probes.values, gallery, dim, k, threads });
  // places[n]: searches whose mate n distractors outrank; the last place is k or more.
  const places = new Float64Array(k + 1);
  mates.forEach((list, probe) => {
    const nearest = scores.subarray(probe * k, (probe + 1) * k);
    const vector = rowOf(probes.values, dim, probe);
    const exactScore = (place: number) => cosine(vector, rowOf(gallery, dim, indices[probe * k + place] as number));
    for (const mate of list) {
      const score = cosine(vector, rowOf(probes.values, dim, mate));
      const place = outrankedBy(nearest, score, exactScore);
      places[place] = (places[place] as number) + 1;
    }
  });
  const searches = places.reduce((sum, value) => sum + value, 0);
  const shares: number[] = [];
  let found = 0;
  for (let place = 0; place < k; place++) {
    found += places[place] as number;
    shares.push(found / searches);
  }
  return {
    distractors: count,
    searches,
    rank1: shares[0] as number,
    rank1Interval: wilsonInterval(places[0] as number, searches, level),
    cmc: shares.flatMap((share, place) =>
      isRoundRank(place + 1) || place + 1 === k ? [{ rank: place + 1, share }] : [],
    ),
  };
}

/** How many of the nearest, by falling float32 score, have at least this cosine; ties of float32 are told apart. */
function outrankedBy(nearest: Float32Array, score: number, exactScore: (place: number) => number): number {
  const rounded = Math.fround(score);
  let [low, high] = [0, nearest.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((nearest[middle] as number) > rounded) low = middle + 1;
    else high = middle;
  }
  let place = low;
  for (; low < nearest.length && nearest[low] === rounded; low++) if (exactScore(low) >= score) place++;
  return place;
}

function rowOf(values: Float32Array, dim: number, row: number): Float32Array {
  return values.subarray(row * dim, (row + 1) * dim);
}

function isRoundRank(rank: number): boolean {
  return /^[125]0*$/.test(String(rank));
}

function verify({ probes, identities, distractors }: MegaFaceProblem, options: MegaFaceOptions) {
  const { falseAcceptRates, level, threads } = options;
  const impostor = probes.rows * distractors.rows;
  const curve = curveRates(impostor, Math.max(...falseAcceptRates));
  const rates = [...falseAcceptRates, ...curve];
  const laxest = falseAcceptRates.find((far) => far * impostor > MOST_KEPT);
  if (laxest !== undefined)
    throw new CosFaceError(
      'COSFACE_OPTION_RANGE',
      `--far ${laxest} of ${impostor} impostor pairs means ${Math.floor(laxest * impostor)} false accepts, ` +
        `expected at most ${MOST_KEPT}, which have to be kept. Give a lower rate.`,
      { argument: '--far' },
    );
  const pairs = { queries: probes.values, dim: probes.dim, threads };
  const { thresholds } = impostorThresholds({ ...pairs, gallery: distractors.values, falseAcceptRates: rates });
  const { genuine } = countAbove({ ...pairs, queryLabels: identities, thresholds });
  const tars = Array.from(genuine.counts, (count) => count / genuine.pairs);
  return {
    genuine: genuine.pairs,
    impostor,
    tarAtFar: falseAcceptRates.map((far, i) => ({
      far,
      tar: tars[i] as number,
      interval: wilsonInterval(genuine.counts[i] as number, genuine.pairs, level),
      threshold: thresholds[i] as number,
      falseAcceptsAllowed: Math.floor(far * impostor),
      resolved: far * impostor >= 1,
    })),
    roc: curve.map((far, i) => ({
      far,
      tar: tars[falseAcceptRates.length + i] as number,
      threshold: thresholds[falseAcceptRates.length + i] as number,
    })),
  };
}

/** What a curve may keep beyond the rates that were asked for: a rate of 1e-2 costs six times one of 1e-4. */
const CURVE_KEPT = 1 << 16;

/** Ten rates a decade, from one false accept to the laxest rate asked for. */
function curveRates(impostor: number, laxest: number): number[] {
  const [low, high] = [Math.log10(1 / impostor), Math.log10(Math.min(1, Math.max(laxest, CURVE_KEPT / impostor)))];
  const steps = Math.max(1, Math.ceil(10 * (high - low)));
  return Array.from({ length: steps + 1 }, (_, k) => Math.min(1, 10 ** (low + ((high - low) * k) / steps)));
}

function histogram({ probes, identities, distractors }: MegaFaceProblem, { threads }: MegaFaceOptions): ScoreHistogram {
  const thresholds = Array.from({ length: HISTOGRAM_BINS }, (_, bin) => (2 * bin) / HISTOGRAM_BINS - 1);
  // Rounding may not leave a pair below the lowest edge.
  thresholds[0] = Number.NEGATIVE_INFINITY;
  const pairs = { queries: probes.values, dim: probes.dim, threads, thresholds };
  const { genuine } = countAbove({ ...pairs, queryLabels: identities });
  const { impostor } = countAbove({ ...pairs, gallery: distractors.values });
  const between = (counts: Float64Array) => Array.from(counts, (count, bin) => count - (counts[bin + 1] ?? 0));
  return { from: -1, to: 1, genuine: between(genuine.counts), impostor: between(impostor.counts) };
}
