import {
  add,
  atan2,
  div,
  gather,
  greater,
  maximum,
  minimum,
  mul,
  scalar,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from '@tensorflow/tfjs-core';

/** COSFACE_ANGLE_EPSILON of native/include/cosface/margin_softmax.h. */
export const ANGLE_EPSILON = 1e-4;

/** Each margin is one number for all samples or a column [N, 1]. */
export interface MarginColumns {
  m1: number | Tensor;
  m2: number | Tensor;
  m3: number | Tensor;
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
