import type { NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { FamilyAttributes, Precision } from '../native/addon.js';

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
 * The gradients for a given loss gradient: outputs as the gradients of `MarginSoftmax`, of sum_i lossGradient_i loss_i
 * with reduction `none`, of lossGradient times the reduced loss otherwise.
 */
export const MarginSoftmaxGrad = 'MarginSoftmaxGrad';

/** The inputs that have a gradient, in the order in which gradients come. */
export const DIFFERENTIABLE_INPUTS = [
  'embeddings',
  'weights',
  'sampleWeights',
  'sampleM1',
  'sampleM2',
  'sampleM3',
  'bias',
] as const;

/** An optional input that is not given has no key at all: the tape reads `inputs[key].id` for every key. */
export interface MarginSoftmaxInputs extends NamedTensorInfoMap {
  /** x, [N, D] float32. */
  embeddings: TensorInfo;
  /** w, [C K, D] float32; rows c K ... c K + K - 1 belong to class c. */
  weights: TensorInfo;
  /** y, [N] int32. */
  labels: TensorInfo;
  /** [N] float32. */
  sampleWeights?: TensorInfo;
  /** [N] float32; each replaces the common margin of its name. */
  sampleM1?: TensorInfo;
  sampleM2?: TensorInfo;
  sampleM3?: TensorInfo;
  /** [C] float32, or a scalar with a binary form. */
  bias?: TensorInfo;
}

export interface MarginSoftmaxGradInputs extends MarginSoftmaxInputs {
  /** [N] with reduction `none`, a scalar otherwise; float32. */
  lossGradient: TensorInfo;
}

/** A loss over classes as plain data; the formulas: native/include/cosface/margin_softmax.h. */
export interface MarginSoftmaxGradAttrs extends FamilyAttributes {
  scale: number;
  m1: number;
  m2: number;
  m3: number;
  ignoreLabel: number;
  reduction: Reduction;
  gradient: GradientMode;
  /** What the matrix products may multiply; fewer bits are a permission. */
  precision: Precision;
  /** The part of each sample's probability that the gradients may leave out, in [0, 1); a permission too. */
  gradientTolerance: number;
}

export interface MarginSoftmaxAttrs extends MarginSoftmaxGradAttrs {
  withGradients: boolean;
}
