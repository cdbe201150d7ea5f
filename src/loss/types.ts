import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { GradientMode, MarginTerm, Reduction } from '../kernels/kernel-names.js';
import type { Fallback, NegativesRule, Precision } from '../native/addon.js';

export type { Fallback, GradientMode, MarginTerm, NegativesRule, Precision, Reduction };

/** Class indices y, [N]: an int32 tensor or whole numbers. */
export type Labels = Tensor | Int32Array | readonly number[];

/** One number for each sample, [N]: a float32 tensor or numbers. */
export type PerSample = Tensor | Float32Array | readonly number[];

/** Margins for each sample by the name of the common one that each replaces. */
export type SampleMargins = Partial<Record<MarginTerm, PerSample>>;

/** The options that every loss of the family takes. */
export interface LossOptions {
  /** s in the logits s cos(t); finite, above 0. Default 64. `leastScale` gives the paper's lower bound. */
  scale?: number | undefined;
  /**
   * `mean` (default): the weighted sum divided by the number of samples that are not ignored and whose weight is not
   * 0. `sum`: the weighted sum. `none`: the weighted loss of each sample, [N], 0 where ignored.
   */
  reduction?: Reduction | undefined;
  /** The label of samples that neither count nor get a gradient; an int32. Default -1. */
  ignoreLabel?: number | undefined;
  /** A factor on each sample's loss, [N], finite. Default 1. Differentiable, but for a mean's number of samples. */
  sampleWeights?: PerSample | undefined;
  /**
   * A margin for each sample, [N], which replaces the common one; or one, two or three of them by name, as in
   * `{ m2: angles, m3: offsets }`. m1 in (0, 16], m2 in [-pi, pi], m3 in [-2, 2]. Differentiable.
   */
  sampleMargins?: PerSample | SampleMargins | undefined;
  /**
   * `exact` (default), or `detached`: drops the derivative of the margin function by the cosine, as insightface and
   * OpenSphere do. Makes no difference to an additive cosine margin.
   */
  gradient?: GradientMode | undefined;
  /**
   * What the matrix products may multiply: `fp32` (default); `bf16-gradients`, bf16 in the products of the gradients, the
   * loss as with `fp32`; `bf16`, the cosines too. Sums stay float32 or better. A permission: where no native kernel runs,
   * all is float32. Error bounds: docs/math.md.
   */
  precision?: Precision | undefined;
  /**
   * How much of each sample's probability its gradients may leave out, in [0, 1): work is saved where samples are
   * confident. Default 0, nothing. The loss and the target classes stay exact, and |d dx_i| <= |dL / d loss_i| s
   * gradientTolerance / |x_i|; docs/math.md has the proof. A permission: where no native kernel runs, nothing is left out.
   */
  gradientTolerance?: number | undefined;
}

/** What else a margin softmax may do; all off by default. */
export interface FamilyOptions extends LossOptions {
  /** Part of each target that is spread evenly over all classes that count, in [0, 1). Default 0. */
  labelSmoothing?: number | undefined;
  /**
   * Inter-class filtering: other classes with a cosine above this threshold, in (-1, 1], do not count for that sample:
   * they are likely the same person under another label. Default: no filter. insightface's public version multiplies
   * such a cosine by 0 instead, which leaves a logit of 0.
   */
  interclassFilter?: number | undefined;
  /** Gives hard negatives, those above the target's margined cosine, more weight. Default: none. */
  negatives?: NegativesRule | undefined;
  /** K centres for each class, of which the nearest counts: weights is [C K, D], class c's rows are c K ... c K + K - 1. Default 1. */
  subCenters?: number | undefined;
  /** Whether embeddings enter as unit vectors. Default true; if false their length takes part and `scale` defaults to 1. */
  normalizeEmbeddings?: boolean | undefined;
  /** Whether centres enter as unit vectors. Default true. */
  normalizeWeights?: boolean | undefined;
  /** Added to the logits, [C] float32; differentiable. Default: none. */
  bias?: Tensor | undefined;
}

/** The margins of s (psi(m1 t + m2) - m3), the logit of the sample's own class at the angle t. */
export interface Margins {
  m1: number;
  m2: number;
  m3: number;
  /** Which of them `sampleMargins` replaces. */
  sampleMarginTerm: MarginTerm;
}

/** The options of `marginSoftmax` and of `marginSoftmaxLoss`. */
export interface MarginSoftmaxOptions extends FamilyOptions {
  /** Factor on the angle, in (0, 16]. Default 1. */
  m1?: number | undefined;
  /** Offset of the angle in radians, in [0, pi]. Default 0. */
  m2?: number | undefined;
  /** Offset of the cosine, in [0, 2]. Default 0. */
  m3?: number | undefined;
  /** Which margin `sampleMargins` replaces where it is no object. Default `m3`. */
  sampleMarginTerm?: MarginTerm | undefined;
  /** What a margin on the angle does past pi; as in `arcFaceLoss`. Default `continuous`. */
  fallback?: Fallback | undefined;
  /** lambda in (lambda cos t + psi - m3) / (1 + lambda), in [0, 1e6]. Default 0; `annealedLambda` gives a schedule. */
  lambda?: number | undefined;
}

/** What `marginSoftmax` returns; every tensor belongs to the caller. */
export interface MarginSoftmaxTensorResult {
  /** A scalar, or [N] with reduction `none`; float32, in nats. Differentiable by embeddings and weights. */
  loss: Tensor;
  /** cos(x_i, w_y) without margin, [N] float32; 0 where ignored. Not differentiable. */
  targetCosine: Tensor1D;
  /** The class of the largest cosine without margin, the lowest index on a tie, [N] int32. */
  prediction: Tensor1D;
}
