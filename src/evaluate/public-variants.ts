import type { FeatureMatrix } from '../data/read-npy.js';
import { dotScores, type Pairs, squaredNorms } from './cosine-pairs.js';
import { type MeanAndError, meanAndError } from './mean-and-error.js';

/** The rules by which published LFW figures were scored; they differ by up to some tenths of a per cent. */
export type PublicVariant = 'sphereface' | 'cosface-pytorch' | 'insightface';

export interface VariantResult extends MeanAndError {
  variant: PublicVariant;
  /** The standard deviation (n) of the folds' accuracies, which InsightFace and CosFace_pytorch print behind +-. */
  deviation: number;
  /** `insightface` thresholds are squared distances of unit vectors, 2 - 2 cosine. */
  folds: Array<{ fold: number; threshold: number; accuracy: number }>;
  /** `insightface` alone: the mean over the folds of TAR at the threshold that has FAR 1e-3 on the other folds. */
  tarAtFar?: { far: number; tar: number; achievedFar: number };
}

interface ScoredFold {
  genuine: number[];
  impostor: number[];
}

/**
 * SphereFace's evaluation.m: the mean feature of the other folds' pairs is subtracted, then cosines; thresholds
 * -1 to 1 by 1e-4, the mean of all that do best; above it is the same, below it another, on it wrong.
 */
export function sphereFaceVariant(features: FeatureMatrix, pairs: Pairs): VariantResult {
  const thresholds = Array.from({ length: 20_001 }, (_, k) => (k - 10_000) / 10_000);
  const dots = pairDots(features, pairs);
  const names = foldNames(pairs);
  const means = meansOfOthers(features, pairs, names);
  const withMeans = productsWith(features, means);
  return summarised('sphereface', names, (name, at) => {
    const mean = means[at] as Float64Array;
    const scores = centredCosines(pairs, dots, { mean, withMean: withMeans[at] as Float64Array });
    const { others, own } = split(pairs, scores, name);
    const rights = thresholds.map((threshold) => rightAbove(others, threshold));
    const most = rights.reduce((best, right) => Math.max(best, right), 0);
    const best = thresholds.filter((_, k) => rights[k] === most);
    const threshold = best.reduce((sum, value) => sum + value, 0) / best.length;
    return { threshold, accuracy: rightAbove(own, threshold) / sizeOf(own) };
  });
}

/** CosFace_pytorch's lfw_eval.py: thresholds -1 to 0.995 by 0.005, the last that does best; above it is the same. */
export function cosFacePytorchVariant(features: FeatureMatrix, pairs: Pairs): VariantResult {
  const thresholds = Array.from({ length: 400 }, (_, k) => -1 + 0.005 * k);
  const { cross, left, right } = pairDots(features, pairs);
  // Its cosine adds 1e-5 to the product of the norms.
  const scores = cross.map((dot, i) => dot / (Math.sqrt((left[i] as number) * (right[i] as number)) + 1e-5));
  const rightAt = ({ genuine, impostor }: ScoredFold, threshold: number) =>
    countOver(genuine, threshold) + impostor.length - countOver(impostor, threshold);
  return summarised('cosface-pytorch', foldNames(pairs), (name) => {
    const { others, own } = split(pairs, scores, name);
    let [threshold, most] = [0, 0];
    for (const candidate of thresholds) {
      const count = rightAt(others, candidate);
      if (count >= most) [threshold, most] = [candidate, count];
    }
    return { threshold, accuracy: rightAt(own, threshold) / sizeOf(own) };
  });
}

/** InsightFace's verification.py: squared distances of unit vectors, thresholds 0 to 3.99 by 0.01, the first best. */
export function insightFaceVariant(features: FeatureMatrix, pairs: Pairs): VariantResult {
  const { cross, left, right } = pairDots(features, pairs);
  // The negative distance, so that more alike is higher, as elsewhere here; "less than t" is then "over -t".
  const scores = cross.map((dot, i) => {
    const scale = Math.sqrt((left[i] as number) * (right[i] as number));
    return scale === 0 ? -2 : (2 * dot) / scale - 2;
  });
  const steps = (count: number, step: number) => Array.from({ length: count }, (_, k) => k * step);
  const rightAt = ({ genuine, impostor }: ScoredFold, threshold: number) =>
    countOver(genuine, -threshold) + impostor.length - countOver(impostor, -threshold);
  const rates: Array<{ tar: number; far: number }> = [];
  const result = summarised('insightface', foldNames(pairs), (name) => {
    const { others, own } = split(pairs, scores, name);
    const rights = steps(400, 0.01).map((threshold) => rightAt(others, threshold));
    const best = rights.indexOf(rights.reduce((most, count) => Math.max(most, count), 0));
    const strict = distanceAtFar(others, steps(4000, 0.001), 1e-3);
    rates.push({
      tar: countOver(own.genuine, -strict) / own.genuine.length,
      far: countOver(own.impostor, -strict) / own.impostor.length,
    });
    return { threshold: best * 0.01, accuracy: rightAt(own, best * 0.01) / sizeOf(own) };
  });
  const mean = (pick: (rate: { tar: number; far: number }) => number) => meanAndError(rates.map(pick)).mean;
  return { ...result, tarAtFar: { far: 1e-3, tar: mean(({ tar }) => tar), achievedFar: mean(({ far }) => far) } };
}

/** The distance that has this FAR, on the straight line between the two thresholds around it; 0 where none has. */
function distanceAtFar({ impostor }: ScoredFold, thresholds: readonly number[], far: number): number {
  const rates = thresholds.map((threshold) => countOver(impostor, -threshold) / impostor.length);
  const after = rates.findIndex((rate) => rate > far);
  if (after < 0) return rates.at(-1) === far ? (thresholds.at(-1) as number) : 0;
  if (after === 0) return 0;
  const [low, high] = [rates[after - 1] as number, rates[after] as number];
  const [from, to] = [thresholds[after - 1] as number, thresholds[after] as number];
  return from + ((far - low) / (high - low)) * (to - from);
}

interface PairDots {
  /** left . right of each pair. */
  cross: Float64Array;
  /** left . left. */
  left: Float64Array;
  /** right . right. */
  right: Float64Array;
}

function pairDots({ values, dim }: FeatureMatrix, pairs: Pairs): PairDots {
  const squares = squaredNorms(values, dim);
  const of = (rows: Int32Array) => Float64Array.from(rows, (row) => squares[row] as number);
  return { cross: dotScores(values, dim, pairs), left: of(pairs.left), right: of(pairs.right) };
}

/** For each fold the mean of both features of every pair outside it; a feature counts as often as it is in a pair. */
function meansOfOthers(
  { values, dim }: FeatureMatrix,
  { left, right, fold }: Pairs,
  names: readonly number[],
): Float64Array[] {
  const sums = new Map(names.map((name) => [name, new Float64Array(dim)]));
  const counts = new Map(names.map((name) => [name, 0]));
  fold.forEach((name, pair) => {
    const sum = sums.get(name) as Float64Array;
    for (const from of [(left[pair] as number) * dim, (right[pair] as number) * dim])
      for (let k = 0; k < dim; k++) sum[k] = (sum[k] as number) + (values[from + k] as number);
    counts.set(name, (counts.get(name) as number) + 2);
  });
  return names.map((name) => {
    const others = names.filter((other) => other !== name);
    const total = others.reduce((sum, other) => sum + (counts.get(other) as number), 0);
    return new Float64Array(dim).map((_, k) =>
      others.reduce((sum, other) => sum + ((sums.get(other) as Float64Array)[k] as number) / total, 0),
    );
  });
}

/** Each row's product with each of some vectors: [vectors][rows]. Row by row, so that features are read once. */
function productsWith({ values, dim, rows }: FeatureMatrix, vectors: readonly Float64Array[]): Float64Array[] {
  const products = vectors.map(() => new Float64Array(rows));
  for (let row = 0; row < rows; row++)
    for (let v = 0; v < vectors.length; v++)
      (products[v] as Float64Array)[row] = dot(values, row * dim, vectors[v] as Float64Array);
  return products;
}

function dot(values: Float32Array, from: number, vector: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < vector.length; k++) sum += (values[from + k] as number) * (vector[k] as number);
  return sum;
}

/** cos(l - mu, r - mu) from products: l.r - mu.(l + r) + mu.mu, with `withMean` the products of the rows with mu. */
function centredCosines(
  { left, right }: Pairs,
  dots: PairDots,
  { mean, withMean }: { mean: Float64Array; withMean: Float64Array },
): Float64Array {
  const square = mean.reduce((sum, value) => sum + value ** 2, 0);
  return dots.cross.map((cross, pair) => {
    const [l, r] = [withMean[left[pair] as number] as number, withMean[right[pair] as number] as number];
    const squareLeft = (dots.left[pair] as number) - 2 * l + square;
    const squareRight = (dots.right[pair] as number) - 2 * r + square;
    const scale = Math.sqrt(Math.max(0, squareLeft) * Math.max(0, squareRight));
    return scale === 0 ? 0 : (cross - l - r + square) / scale;
  });
}

function foldNames({ fold }: Pairs): number[] {
  return [...new Set(fold)].sort((a, b) => a - b);
}

function split({ same, fold }: Pairs, scores: Float64Array, name: number): { others: ScoredFold; own: ScoredFold } {
  const parts: { others: ScoredFold; own: ScoredFold } = {
    others: { genuine: [], impostor: [] },
    own: { genuine: [], impostor: [] },
  };
  scores.forEach((score, pair) => {
    const part = fold[pair] === name ? parts.own : parts.others;
    (same[pair] ? part.genuine : part.impostor).push(score);
  });
  for (const part of [parts.others, parts.own])
    for (const kind of [part.genuine, part.impostor]) kind.sort((a, b) => a - b);
  return parts;
}

/** Of rising scores, how many are over a threshold. */
function countOver(scores: readonly number[], threshold: number): number {
  return scores.length - firstPlace(scores, (score) => score > threshold);
}

/** Genuine pairs over the threshold and impostors below it: a score on the threshold is wrong either way. */
function rightAbove({ genuine, impostor }: ScoredFold, threshold: number): number {
  return countOver(genuine, threshold) + firstPlace(impostor, (score) => score >= threshold);
}

function firstPlace(rising: readonly number[], isThere: (score: number) => boolean): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isThere(rising[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function sizeOf({ genuine, impostor }: ScoredFold): number {
  return genuine.length + impostor.length;
}

function summarised(
  variant: PublicVariant,
  names: readonly number[],
  judge: (name: number, at: number) => { threshold: number; accuracy: number },
): VariantResult {
  const folds = names.map((name, at) => ({ fold: name + 1, ...judge(name, at) }));
  const { mean, standardError } = meanAndError(folds.map(({ accuracy }) => accuracy));
  const squares = folds.reduce((sum, { accuracy }) => sum + (accuracy - mean) ** 2, 0);
  return { variant, mean, standardError, deviation: Math.sqrt(squares / folds.length), folds };
}
