import type { Tensor } from '@tensorflow/tfjs-core';
import type { GradientMode, MarginTerm, Reduction } from '../kernels/kernel-names.js';

/** What a margin on the angle does where t + m passes pi; see `arcFaceLoss`. */
export type Fallback = 'continuous' | 'none' | 'easy' | 'hard';

/** How hard negatives, those above the target's margined cosine, weigh more; `t` as in the losses of that name. */
export interface NegativesRule {
  kind: 'curricular' | 'mv-arc' | 'mv-am';
  t: number;
}

/**
 * A loss over classes as plain data: what a kernel can be asked for. With v_ic the score <x_i, w_c>, rows normalised
 * or not, q_i the product of those norms of x_i and w_y that are not normalised away, cos_iy = v_iy / q_i:
 *
 *   z_iy = scale q_i M(cos_iy) + bias_y,   z_ic = scale V(v_ic) + bias_c for the other classes
 */
export interface ClassLossAttrs {
  scale: number;
  m1: number;
  m2: number;
  m3: number;
  ignoreLabel: number;
  reduction: Reduction;
  gradient: GradientMode;
  fallback: Fallback;
  /** A-Softmax's lambda: M = (lambda cos + psi) / (1 + lambda). 0 is the margin alone. */
  annealing: number;
  normalizeEmbeddings: boolean;
  normalizeWeights: boolean;
  /** Part of the target that is spread over all classes that count, in [0, 1). */
  labelSmoothing: number;
  /** Other classes with a cosine above it do not count; `undefined` is off. */
  interclassFilter: number | undefined;
  negatives: NegativesRule | undefined;
  /** K: weights holds K rows for each class, of which the nearest counts. */
  subCenters: number;
  curve: Curve;
  /** A sum of binary cross-entropies in place of a softmax. */
  binary: BinaryForm | undefined;
}

/**
 * What a cosine becomes before the scale: itself; `circle`, M = [1 + m3 - v]+ (v - 1 + m3) and V = [v + m3]+ (v - m3);
 * `power`, 2 ((v + 1) / 2)^exponent - 1 for both, and M less m3.
 */
export type Curve = { kind: 'cosine' } | { kind: 'circle' } | { kind: 'power'; exponent: number };

/** loss = positiveWeight softplus(-(z_y + b)) + negativeWeight sum softplus(z_c + scale negativeMargin + b). */
export interface BinaryForm {
  positiveWeight: number;
  negativeWeight: number;
  negativeMargin: number;
  /** The bias is added or subtracted. */
  biasSign: 1 | -1;
}

/** An optional tensor that is not given has no key. */
export interface ClassLossTensors {
  /** [N, D] float32. */
  embeddings: Tensor;
  /** [C K, D] float32; rows c K ... c K + K - 1 belong to class c. */
  weights: Tensor;
  /** [N] int32. */
  labels: Tensor;
  /** [C] float32, or a scalar with the binary form. */
  bias?: Tensor;
  /** [N] float32. */
  sampleWeights?: Tensor;
  /** [N] float32; each replaces the common margin of its name. */
  m1?: Tensor;
  m2?: Tensor;
  m3?: Tensor;
}

/** The tensors that a class loss can be differentiated by. */
export type ClassLossInput = Exclude<keyof ClassLossTensors, 'labels'>;

export interface ClassLossResult {
  /** Scalar, or [N] with reduction `none`. */
  loss: Tensor;
  /** By every tensor that is given but the labels; of the sum of the losses with reduction `none`. */
  gradients: Partial<Record<ClassLossInput, Tensor>>;
}

/** CosFace with the margins 0 and nothing special. */
export const PLAIN_CLASS_LOSS: ClassLossAttrs = {
  scale: 1,
  m1: 1,
  m2: 0,
  m3: 0,
  ignoreLabel: -1,
  reduction: 'mean',
  gradient: 'exact',
  fallback: 'continuous',
  annealing: 0,
  normalizeEmbeddings: true,
  normalizeWeights: true,
  labelSmoothing: 0,
  interclassFilter: undefined,
  negatives: undefined,
  subCenters: 1,
  curve: { kind: 'cosine' },
  binary: undefined,
};

/**
 * Whether the fused kernel computes this loss: the combined margins on normalised rows, and at most one margin of its
 * own for each sample. Returns the margin that is, or `m3` if none is.
 */
export function fusedMarginTerm(attrs: ClassLossAttrs, tensors: Partial<ClassLossTensors>): MarginTerm | undefined {
  const special =
    attrs.fallback !== 'continuous' ||
    attrs.annealing !== 0 ||
    !attrs.normalizeEmbeddings ||
    !attrs.normalizeWeights ||
    attrs.labelSmoothing !== 0 ||
    attrs.interclassFilter !== undefined ||
    attrs.negatives !== undefined ||
    attrs.subCenters !== 1 ||
    attrs.curve.kind !== 'cosine' ||
    attrs.binary !== undefined ||
    tensors.bias !== undefined;
  const own = (['m1', 'm2', 'm3'] as const).filter((term) => tensors[term]);
  return special || own.length > 1 ? undefined : (own[0] ?? 'm3');
}
