import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { MarginSoftmaxAttrs } from '../src/kernels/kernel-names.js';
import {
  differentiableMarginSoftmax,
  type MarginSoftmaxExecutor,
  type MarginSoftmaxTensors,
  type Speculation,
} from '../src/kernels/margin-softmax-gradient.js';
import { PLAIN_FAMILY } from '../src/loss/plain-family.js';
import type { ReferenceProblem, ReferenceResult } from './reference.js';

/** The pseudo-random numbers in [0, 1) of mulberry32; the tests must not depend on Math.random. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export type NamedOptions = [name: string, options: Partial<ProblemOptions>];

/** Options of small problems, one for each kind of margin and reduction. */
export const MARGINS_AND_REDUCTIONS: ReadonlyArray<NamedOptions> = [
  ['NormFace', { m3: 0 }],
  ['CosFace', {}],
  ['ArcFace', { m3: 0, m2: 0.5 }],
  ['ArcFace, detached', { m3: 0, m2: 0.5, gradient: 'detached' }],
  ['SphereFace', { m3: 0, m1: 4 }],
  ['all margins', { m1: 1.3, m2: 0.2, m3: 0.1 }],
  ['sum', { reduction: 'sum' }],
  ['none', { reduction: 'none' }],
];

export type ProblemOptions = Omit<ReferenceProblem, 'embeddings' | 'weights' | 'labels' | 'scale'> & {
  batch: number;
  classes: number;
  dim: number;
  scale?: number;
  seed?: number;
};

/** Rows in [-1, 1)^D, rounded to float32 so that the reference sees what the kernels see. */
export function randomProblem({
  batch,
  classes,
  dim,
  seed = 1,
  scale = 64,
  ...rest
}: ProblemOptions): ReferenceProblem {
  const random = randomNumbers(seed);
  const matrix = (rows: number) =>
    Array.from({ length: rows }, () => Array.from({ length: dim }, () => Math.fround(2 * random() - 1)));
  return {
    embeddings: matrix(batch),
    weights: matrix(classes),
    labels: Array.from({ length: batch }, () => Math.floor(random() * classes)),
    scale,
    ...rest,
  };
}

export function attrsOf(problem: ReferenceProblem): MarginSoftmaxAttrs {
  const { scale, m1 = 1, m2 = 0, m3 = 0, ignoreLabel = -1 } = problem;
  const { reduction = 'mean', gradient = 'exact' } = problem;
  const { precision = 'fp32', gradientTolerance = 0 } = problem;
  return {
    ...PLAIN_FAMILY,
    ...{ scale, m1, m2, m3, ignoreLabel, reduction, gradient, precision, gradientTolerance },
    withGradients: false,
  };
}

export function tensorsOf(problem: ReferenceProblem): MarginSoftmaxTensors {
  const { embeddings, weights, labels, sampleWeights, sampleMargins, sampleMarginTerm = 'm3' } = problem;
  const margins = `sample${sampleMarginTerm.toUpperCase()}`;
  const dim = weights[0]?.length ?? 0;
  return {
    embeddings: tf.tensor2d(embeddings.flat(), [embeddings.length, dim], 'float32'),
    weights: tf.tensor2d(weights.flat(), [weights.length, dim], 'float32'),
    labels: tf.tensor1d(labels, 'int32'),
    ...(sampleWeights && { sampleWeights: tf.tensor1d(sampleWeights, 'float32') }),
    ...(sampleMargins && { [margins]: tf.tensor1d(sampleMargins, 'float32') }),
  };
}

/** As `ReferenceResult`, flat. */
export interface Outcome {
  loss: Float32Array;
  targetCosine: Float32Array;
  prediction: Int32Array;
  dEmbeddings: Float32Array;
  dWeights: Float32Array;
}

/** Loss and gradients of a problem on the current backend; no tensor is left behind. */
export function outcomeOf(
  executor: MarginSoftmaxExecutor,
  problem: ReferenceProblem,
  speculation?: Speculation,
): Outcome {
  const { lossGradient } = problem;
  return tf.tidy(() => {
    const tensors = tensorsOf(problem);
    let cosine: tf.Tensor | undefined;
    let prediction: tf.Tensor | undefined;
    const { value, grads } = tf.valueAndGrads((embeddings: tf.Tensor, weights: tf.Tensor) => {
      const result = differentiableMarginSoftmax(
        executor,
        { ...tensors, embeddings, weights },
        attrsOf(problem),
        speculation,
      );
      cosine = tf.keep(result.targetCosine);
      prediction = tf.keep(result.prediction);
      return result.loss;
    })([tensors.embeddings, tensors.weights], lossGradient ? tf.tensor1d(lossGradient) : undefined);
    const outcome = {
      loss: value.dataSync() as Float32Array,
      targetCosine: cosine?.dataSync() as Float32Array,
      prediction: prediction?.dataSync() as Int32Array,
      dEmbeddings: grads[0]?.dataSync() as Float32Array,
      dWeights: grads[1]?.dataSync() as Float32Array,
    };
    cosine?.dispose();
    prediction?.dispose();
    return outcome;
  });
}

/** |actual - expected| / |expected|, both as vectors; where the expected one is 0, |actual|. NaN stays NaN. */
export function relativeError(actual: ArrayLike<number>, expected: number[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const norm = Math.hypot(...expected);
  const distance = Math.sqrt(expected.reduce((sum, value, i) => sum + ((actual[i] as number) - value) ** 2, 0));
  return norm === 0 ? distance : distance / norm;
}

/** The worst relative error of each result against the reference. */
export function errorsOf(outcome: Outcome, expected: ReferenceResult, reduction = 'mean'): Record<string, number> {
  return {
    loss: relativeError(outcome.loss, reduction === 'none' ? expected.loss : [expected.reducedLoss]),
    targetCosine: relativeError(outcome.targetCosine, expected.targetCosine),
    dEmbeddings: relativeError(outcome.dEmbeddings, expected.dEmbeddings.flat()),
    dWeights: relativeError(outcome.dWeights, expected.dWeights.flat()),
  };
}
