import { BadFiles } from '../data/bad-files.js';
import { dataError } from '../data/data-error.js';
import { type FaceBatchOptions, faceBatches } from '../data/face-batches.js';
import type { FaceSet } from '../data/face-set.js';
import { openFaces } from '../data/open-faces.js';
import { isVerificationBin, openVerificationFaces } from '../data/verification-faces.js';
import { cosineScores, type Pairs } from '../evaluate/cosine-pairs.js';
import { dealFolds } from '../evaluate/deal-folds.js';
import { type AccuracyFigures, accuracyFigures, type PairFigures, pairFigures } from '../evaluate/pair-figures.js';
import { embedPixels } from '../models/embed-pixels.js';
import { featureSize, type ModelThreshold } from '../models/model-description.js';
import type { FaceModel } from '../models/model-folder.js';
import { type VerificationPairOptions, verificationPairs } from './verification-pairs.js';

/** Images of people that are not trained, and pairs of them. */
export interface VerificationData {
  /** In words, for reports and thresholds. */
  name: string;
  faces: FaceSet;
  pairs: Pairs;
  /** Whether the labels of `faces` are people; an InsightFace .bin knows pairs only. */
  named: boolean;
}

/** What a verification says about a model. */
export interface VerificationFigures extends PairFigures {
  name: string;
  /** Balanced pairs, thresholds from other folds. `null`: too few people for folds. */
  accuracy: number | null;
  standardError: number | null;
  accuracyInterval: AccuracyFigures['accuracyInterval'];
  /** By the rate that was asked for. */
  threshold: ModelThreshold | null;
  /** How a threshold that was chosen before does here; `null`: none was given. */
  atThreshold: { cosine: number; falseAcceptRate: number; trueAcceptRate: number } | null;
}

export interface Verification {
  figures: VerificationFigures;
  /** Row-major [images, size]. */
  features: Float32Array;
  /** Places in `faces` of the rows; bad files are left out. */
  indices: Int32Array;
}

/**
 * Makes pairs of the images of a set.
 *
 * @throws {CosFaceError} COSFACE_DATA: no pairs of both kinds can be made.
 */
export function verificationOf(faces: FaceSet, name: string, options: VerificationPairOptions): VerificationData {
  const pairs = verificationPairs(faces.labels, options);
  if (pairs.same.includes(1) && pairs.same.includes(0)) return { name, faces, pairs, named: true };
  const text = `${faces.size} images of ${faces.identities.length} people give no genuine and impostor pairs. Hold out more people, or choose others.`;
  throw dataError('COSFACE_DATA', name, text);
}

/** A set to verify on: InsightFace's .bin with its own pairs, or labelled images in any form. */
export async function openVerification(path: string, options: VerificationPairOptions): Promise<VerificationData> {
  if (!isVerificationBin(path)) return verificationOf(await openFaces(path), path, options);
  const { faces, pairs: listed } = await openVerificationFaces(path);
  const same = Uint8Array.from(listed.pairs, (pair) => Number(pair.same));
  const pairs: Pairs = {
    left: Int32Array.from(same, (_, pair) => 2 * pair),
    right: Int32Array.from(same, (_, pair) => 2 * pair + 1),
    same,
    fold: dealFolds(same) ?? new Int32Array(same.length),
  };
  return { name: path, faces, pairs, named: false };
}

export interface VerifyOptions extends Pick<FaceBatchOptions, 'batchSize' | 'badFiles' | 'threads' | 'cache'> {
  falseAcceptRate: number;
  /** Of the model, from other people: how it does on these pairs. */
  threshold?: number;
}

const CONFIDENCE = 0.95;
const RATES = [1e-4, 1e-3, 1e-2, 1e-1];

/** Embeds the images, scores the pairs by cosine, and finds the threshold for the rate. The same model gives the same figures. */
export async function verify(
  net: FaceModel,
  { name, faces, pairs }: VerificationData,
  { falseAcceptRate, threshold: given, ...batching }: VerifyOptions,
): Promise<Verification> {
  const { features, indices } = await embedFaces(net, faces, batching);
  const rows = new Int32Array(faces.size).fill(-1);
  indices.forEach((index, row) => {
    rows[index] = row;
  });
  const usable = keepPairs(
    { ...pairs, left: pairs.left.map((i) => rows[i] as number), right: pairs.right.map((i) => rows[i] as number) },
    ({ left, right }) => left >= 0 && right >= 0,
  );
  const dim = featureSize(net.description.embedding);
  const scores = cosineScores(features, dim, usable);
  const rates = [...new Set([...RATES, falseAcceptRate])].sort((a, b) => a - b);
  const { figures } = pairFigures(scores, usable.same, { falseAcceptRates: rates, level: CONFIDENCE });
  const folded = Array.from(usable.fold.keys()).filter((pair) => (usable.fold[pair] as number) >= 0);
  const several = new Set(folded.map((pair) => usable.fold[pair])).size > 1;
  const accuracy = several
    ? accuracyFigures(
        Float64Array.from(folded, (pair) => scores[pair] as number),
        pick(usable, folded),
        CONFIDENCE,
      )
    : { accuracy: null, standardError: null, accuracyInterval: null };
  const point = figures.tarAtFar.find(({ far }) => far === falseAcceptRate);
  const threshold: ModelThreshold | null =
    point && point.threshold !== null
      ? {
          ...{ cosine: point.threshold, falseAcceptRate, trueAcceptRate: point.tar, data: name },
          ...{ genuinePairs: figures.genuine, impostorPairs: figures.impostor },
        }
      : null;
  const { accuracy: share, standardError, accuracyInterval } = accuracy;
  return {
    figures: {
      ...{ name, ...figures, accuracy: share, standardError, accuracyInterval, threshold },
      atThreshold: given === undefined ? null : { cosine: given, ...ratesAt(given, scores, usable.same) },
    },
    features,
    indices,
  };
}

/** The features of all images of a set that can be read, and which they are. */
async function embedFaces(
  net: FaceModel,
  faces: FaceSet,
  batching: Omit<VerifyOptions, 'falseAcceptRate' | 'threshold'>,
): Promise<{ features: Float32Array; indices: Int32Array }> {
  const { width, height, normalisation } = net.description.input;
  const size = featureSize(net.description.embedding);
  const features = new Float32Array(faces.size * size);
  const indices = new Int32Array(faces.size);
  let filled = 0;
  const badFiles = batching.badFiles ?? new BadFiles('fail');
  for await (const batch of faceBatches(faces, { ...batching, badFiles, width, height, normalisation })) {
    features.set(await embedPixels(net, batch.pixels), filled * size);
    indices.set(batch.indices, filled);
    filled += batch.indices.length;
  }
  return { features: features.subarray(0, filled * size), indices: indices.subarray(0, filled) };
}

function ratesAt(threshold: number, scores: Float64Array, same: Uint8Array) {
  const share = (kind: 0 | 1) => {
    const of = Array.from(scores).filter((_, pair) => same[pair] === kind);
    return of.filter((score) => score >= threshold).length / of.length;
  };
  return { falseAcceptRate: share(0), trueAcceptRate: share(1) };
}

interface Pair {
  left: number;
  right: number;
}

function keepPairs(pairs: Pairs, keep: (pair: Pair) => boolean): Pairs {
  const kept = Array.from(pairs.same.keys()).filter((at) =>
    keep({ left: pairs.left[at] as number, right: pairs.right[at] as number }),
  );
  return kept.length === pairs.same.length ? pairs : pick(pairs, kept);
}

function pick(pairs: Pairs, at: readonly number[]): Pairs {
  return {
    left: Int32Array.from(at, (pair) => pairs.left[pair] as number),
    right: Int32Array.from(at, (pair) => pairs.right[pair] as number),
    same: Uint8Array.from(at, (pair) => pairs.same[pair] as number),
    fold: Int32Array.from(at, (pair) => pairs.fold[pair] as number),
  };
}
