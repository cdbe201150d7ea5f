import {
  abs,
  add,
  atan2,
  clipByValue,
  cos,
  div,
  equal,
  floor,
  gather,
  greater,
  logicalAnd,
  maximum,
  minimum,
  mul,
  onesLike,
  scalar,
  sin,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from '@tensorflow/tfjs-core';
import type { GradientMode } from '../kernels/kernel-names.js';

/** COSFACE_ANGLE_EPSILON of native/include/cosface/margin_softmax.h. */
export const ANGLE_EPSILON = 1e-4;

/** Each margin is one number for all samples or a column [N, 1]. */
export interface MarginColumns {
  m1: number | Tensor;
  m2: number | Tensor;
  m3: number | Tensor;
}

export interface MarginedCosine {
  /** psi(m1 t + m2) - m3, [N, 1]. */
  value: Tensor;
  /** Its derivative by the cosine, [N, 1]. */
  slope: Tensor;
}

/** The angle between each sample and its own centre, [N, 1], and its sine. */
export interface OwnAngle {
  t: Tensor;
  sinT: Tensor;
}

/**
 * The angle between unit rows from their difference and sum, tan(t / 2) = |x - w| / |x + w|. From the cosine, acos
 * would magnify float32's rounding of 6e-8 to an error of 3e-4 in t near 0 and pi.
 *
 * @param x - Unit or zero rows, [N, D].
 * @param w - Unit or zero rows, [C, D].
 * @param labels - [N] int32; out of range ones stand for ignored samples and get some angle.
 */
export function ownAngle(x: Tensor, w: Tensor, labels: Tensor): OwnAngle {
  const last = scalar((w.shape[0] as number) - 1, 'int32');
  const own = gather(w, maximum(minimum(labels, last), scalar(0, 'int32')));
  const far = sum(square(sub(x, own)), 1, true);
  const near = sum(square(add(x, own)), 1, true);
  // 4 for two unit rows; 0 for two zero rows, whose cosine is 0.
  const whole = add(far, near);
  const defined = greater(whole, 0);
  const [a, b] = [sqrt(far), sqrt(near)];
  return {
    t: where(defined, mul(2, atan2(a, b)), Math.PI / 2),
    sinT: where(defined, div(mul(2, mul(a, b)), where(defined, whole, 1)), 1),
  };
}

/** Whether the margins change the angle; if not, none need be formed. */
export function changesAngle({ m1, m2 }: MarginColumns): boolean {
  return m1 !== 1 || m2 !== 0;
}

/** A margin on the cosine alone. */
export function applyCosineMargin(cosine: Tensor, m3: number | Tensor): MarginedCosine {
  return { value: sub(clipByValue(cosine, -1, 1), m3), slope: onesLike(cosine) };
}

/**
 * All margins: what native/reference/margin.cc states, in tensor operations.
 *
 *   psi(a) = (-1)^k cos(a) - 2k,  a = m1 t + m2,  t = acos(cos),  k = floor(a / pi)
 */
export function applyMargin(
  cosine: Tensor,
  { t, sinT }: OwnAngle,
  { m1, m2, m3 }: MarginColumns,
  gradient: GradientMode,
): MarginedCosine {
  const angle = add(mul(m1, t), m2);
  const k = floor(div(angle, Math.PI));
  const odd = sub(k, mul(2, floor(div(k, 2))));
  const psi = sub(mul(sub(1, mul(2, odd)), cos(angle)), mul(2, k));
  // A sample without a margin on its angle takes the cosine itself, with slope 1, as the reference does.
  const plain = logicalAnd(equal(m1, 1), equal(m2, 0));
  const value = sub(where(plain, clipByValue(cosine, -1, 1), psi), m3);
  if (gradient === 'detached') return { value, slope: onesLike(cosine) };
  const safeT = clipByValue(t, ANGLE_EPSILON, Math.PI - ANGLE_EPSILON);
  const safeSin = maximum(sinT, Math.sin(ANGLE_EPSILON));
  const slope = div(mul(m1, abs(sin(add(mul(m1, safeT), m2)))), safeSin);
  return { value, slope: where(plain, onesLike(slope), slope) };
}
