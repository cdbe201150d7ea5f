import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { Precision } from '../native/addon.js';

/** Which margin a per-sample margin replaces. */
export type MarginTerm = 'm1' | 'm2' | 'm3';

/** How the per-sample losses become one; `mean` divides by the number of counted samples. */
export type Reduction = 'mean' | 'sum' | 'none';

/** `detached` drops the derivative of the margin function by the cosine. */
export type GradientMode = 'exact' | 'detached';

/**
 * Loss, target cosine and prediction, and the gradients when asked.
 *
 * Outputs, in order: loss (scalar, or [N] with reduction `none`), targetCosine [N] float32, prediction [N] int32 and,
 * with `withGradients`, dEmbeddings [N, D] and dWeights [C, D]. The gradients are those of the reduced loss; with
 * reduction `none`, of the sum over the samples.
 */
export const MarginSoftmax = 'MarginSoftmax';

/**
 * Both gradients for a given loss gradient.
 *
 * Outputs: dEmbeddings [N, D] and dWeights [C, D] of sum_i lossGradient_i loss_i with reduction `none`, of
 * lossGradient times the reduced loss otherwise.
 */
export const MarginSoftmaxGrad = 'MarginSoftmaxGrad';

/** An optional input that is not given has no key at all: the tape reads `inputs[key].id` for every key. */
export interface MarginSoftmaxInputs extends NamedTensorInfoMap {
  /** x, [N, D] float32. */
  embeddings: TensorInfo;
  /** w, [C, D] float32. */
  weights: TensorInfo;
  /** y, [N] int32. */
  labels: TensorInfo;
  /** [N] float32. */
  sampleWeights?: TensorInfo;
  /** [N] float32. */
  sampleMargins?: TensorInfo;
}

export interface MarginSoftmaxGradInputs extends MarginSoftmaxInputs {
  /** [N] with reduction `none`, a scalar otherwise; float32. */
  lossGradient: TensorInfo;
}

export interface MarginSoftmaxGradAttrs extends NamedAttrMap {
  scale: number;
  m1: number;
  m2: number;
  m3: number;
  ignoreLabel: number;
  reduction: Reduction;
  gradient: GradientMode;
  sampleMarginTerm: MarginTerm;
  /** What the matrix products may multiply; fewer bits are a permission. */
  precision: Precision;
  /** The part of each sample's probability that the gradients may leave out, in [0, 1); a permission too. */
  gradientTolerance: number;
}

export interface MarginSoftmaxAttrs extends MarginSoftmaxGradAttrs {
  withGradients: boolean;
}
