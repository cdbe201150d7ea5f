import {
  add,
  greater,
  lessEqual,
  maximum,
  mul,
  onesLike,
  pow,
  relu,
  sub,
  type Tensor,
  where,
} from '@tensorflow/tfjs-core';
import type { GradientMode, MarginSoftmaxGradAttrs } from '../kernels/kernel-names.js';

/** V(v) of the other classes' scores and its derivative, both [N, c]; without a slope it is 1. */
export interface NegativeLogits {
  value: Tensor;
  slope: Tensor | undefined;
  /** False where a class does not count; without it all do. */
  counts: Tensor | undefined;
}

/** 2 ((v + 1) / 2)^exponent - 1 and its derivative; rounding may have left v below -1. */
export function powerCurve(v: Tensor, exponent: number, gradient: GradientMode): { value: Tensor; slope: Tensor } {
  const half = maximum(mul(0.5, add(v, 1)), 0);
  return {
    value: sub(mul(2, pow(half, exponent)), 1),
    slope: gradient === 'exact' ? mul(exponent, pow(half, exponent - 1)) : onesLike(v),
  };
}

type Rule = Pick<MarginSoftmaxGradAttrs, 'curve' | 'negatives' | 'interclassFilter' | 'gradient'> & {
  m3: number | Tensor;
};

/**
 * V and its derivative for a chunk of classes.
 *
 * @param v - Scores, [N, c].
 * @param threshold - M(cos_y), [N, 1]: negatives above it are hard.
 */
export function negativeLogits(v: Tensor, threshold: Tensor, rule: Rule): NegativeLogits {
  const { interclassFilter } = rule;
  const counts = interclassFilter == null ? undefined : lessEqual(v, interclassFilter);
  return { ...shaped(v, threshold, rule), counts };
}

function shaped(
  v: Tensor,
  threshold: Tensor,
  { curve, negatives, gradient, m3 }: Rule,
): Omit<NegativeLogits, 'counts'> {
  if (curve.kind === 'power') return powerCurve(v, curve.exponent, gradient);
  if (curve.kind === 'circle') {
    const pace = relu(add(v, m3));
    const rest = sub(v, m3);
    const own = where(greater(pace, 0), rest, 0);
    return { value: mul(pace, rest), slope: gradient === 'exact' ? add(pace, own) : pace };
  }
  if (!negatives) return { value: v, slope: undefined };
  const hard = greater(v, threshold);
  const { kind, t } = negatives;
  if (kind === 'curricular') {
    return { value: where(hard, mul(v, add(t, v)), v), slope: where(hard, add(t, mul(2, v)), 1) };
  }
  return { value: where(hard, add(mul(1 + t, v), t), v), slope: where(hard, 1 + t, onesLike(v)) };
}
