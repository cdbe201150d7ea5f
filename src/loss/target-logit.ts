import {
  abs,
  add,
  clipByValue,
  cos,
  div,
  equal,
  floor,
  greater,
  lessEqual,
  logicalAnd,
  maximum,
  mul,
  neg,
  onesLike,
  relu,
  sin,
  sub,
  type Tensor,
  where,
  zerosLike,
} from '@tensorflow/tfjs-core';
import type { GradientMode, MarginSoftmaxGradAttrs } from '../kernels/kernel-names.js';
import type { Fallback } from '../native/addon.js';
import { powerCurve } from './negative-logits.js';
import { ANGLE_EPSILON, changesAngle, type MarginColumns, type OwnAngle } from './own-angle.js';

/** M(cos_y) of a class loss and its derivatives; all columns [N, 1]. */
export interface TargetLogit {
  value: Tensor;
  /** dM / d cos. */
  slope: Tensor;
  /** dM by each margin. */
  byMargin: { m1: Tensor; m2: Tensor; m3: Tensor };
}

type Rule = Pick<MarginSoftmaxGradAttrs, 'curve' | 'fallback' | 'annealing' | 'gradient'>;

/**
 * M and its derivatives.
 *
 * @param cosine - cos_y, [N, 1].
 * @param angle - Between the sample and its own centre; called for only where the margins need it.
 */
export function targetLogit(cosine: Tensor, angle: () => OwnAngle, margins: MarginColumns, rule: Rule): TargetLogit {
  const { curve, gradient } = rule;
  if (curve.kind === 'circle') return circleTarget(cosine, margins.m3, gradient);
  if (curve.kind === 'power') {
    const { value, slope } = powerCurve(cosine, curve.exponent, gradient);
    return { value: sub(value, margins.m3), slope, byMargin: cosineMarginOnly(cosine) };
  }
  if (!changesAngle(margins)) {
    const value = sub(cosine, div(margins.m3, 1 + rule.annealing));
    return annealedMargins({ value, slope: onesLike(cosine), byMargin: cosineMarginOnly(cosine) }, rule.annealing);
  }
  return annealed(cosine, angularMargin(cosine, angle(), margins, rule), rule.annealing);
}

/** [1 + m - v]+ (v - 1 + m); the paper's gradient takes the first factor for a constant. */
function circleTarget(cosine: Tensor, m: number | Tensor, gradient: GradientMode): TargetLogit {
  const pace = relu(sub(add(1, m), cosine));
  const rest = sub(cosine, sub(1, m));
  const active = greater(pace, 0);
  const own = where(active, rest, 0);
  const exact = gradient === 'exact';
  return {
    value: mul(pace, rest),
    slope: exact ? sub(pace, own) : pace,
    byMargin: { ...cosineMarginOnly(cosine), m3: exact ? add(pace, own) : pace },
  };
}

function cosineMarginOnly(like: Tensor): TargetLogit['byMargin'] {
  return { m1: zerosLike(like), m2: zerosLike(like), m3: neg(onesLike(like)) };
}

/** (lambda cos + M) / (1 + lambda). */
function annealed(cosine: Tensor, target: TargetLogit, lambda: number): TargetLogit {
  if (lambda === 0) return target;
  const mix = (part: Tensor, plain: Tensor | number) => div(add(mul(lambda, plain), part), 1 + lambda);
  const { value, slope } = target;
  return annealedMargins({ ...target, value: mix(value, cosine), slope: mix(slope, 1) }, lambda);
}

function annealedMargins(target: TargetLogit, lambda: number): TargetLogit {
  if (lambda === 0) return target;
  const share = 1 / (1 + lambda);
  const { m1, m2, m3 } = target.byMargin;
  return { ...target, byMargin: { m1: mul(m1, share), m2: mul(m2, share), m3: mul(m3, share) } };
}

/** psi(m1 t + m2) - m3 or what the fallback makes of it. */
function angularMargin(
  cosine: Tensor,
  { t, sinT }: OwnAngle,
  margins: MarginColumns,
  { fallback, gradient }: Rule,
): TargetLogit {
  const { m1, m2, m3 } = margins;
  const angle = add(mul(m1, t), m2);
  const safeT = clipByValue(t, ANGLE_EPSILON, Math.PI - ANGLE_EPSILON);
  const safeSin = maximum(sinT, Math.sin(ANGLE_EPSILON));
  const bent = bend(angle, fallback);
  // d value / d angle at the safe angle, over -sin t = d cos / d t.
  const fall = bend(add(mul(m1, safeT), m2), fallback).fall;
  // A sample without a margin on its angle takes the cosine itself, with slope 1.
  const plain = logicalAnd(equal(m1, 1), equal(m2, 0));
  const formed: TargetLogit = {
    value: sub(where(plain, cosine, bent.value), m3),
    slope: where(plain, 1, div(mul(m1, fall), safeSin)),
    byMargin: { m1: neg(mul(t, bent.fall)), m2: neg(bent.fall), m3: neg(onesLike(cosine)) },
  };
  const usable = margined(cosine, angle, fallback);
  const chosen = usable ? beyond(formed, cosine, usable, margins, fallback) : formed;
  return gradient === 'detached' ? { ...chosen, slope: onesLike(cosine) } : chosen;
}

/** psi, or the plain cosine for the fallbacks that do not continue it; and how fast it falls with the angle. */
function bend(angle: Tensor, fallback: Fallback): { value: Tensor; fall: Tensor } {
  if (fallback !== 'continuous') return { value: cos(angle), fall: sin(angle) };
  const k = floor(div(angle, Math.PI));
  const odd = sub(k, mul(2, floor(div(k, 2))));
  return { value: sub(mul(sub(1, mul(2, odd)), cos(angle)), mul(2, k)), fall: abs(sin(angle)) };
}

/** Where the margin applies, for the fallbacks that replace it elsewhere. */
function margined(cosine: Tensor, angle: Tensor, fallback: Fallback): Tensor | undefined {
  if (fallback === 'easy') return greater(cosine, 0);
  if (fallback === 'hard') return lessEqual(angle, Math.PI);
  return undefined;
}

/** `easy`: the cosine without a margin on its angle. `hard`: cos - m2 sin m2. */
function beyond(
  formed: TargetLogit,
  cosine: Tensor,
  usable: Tensor,
  { m2, m3 }: MarginColumns,
  fallback: Fallback,
): TargetLogit {
  const column = mul(m2, onesLike(cosine));
  const hard = fallback === 'hard';
  const drop = hard ? mul(column, sin(column)) : zerosLike(cosine);
  const dropByM2 = hard ? add(sin(column), mul(column, cos(column))) : zerosLike(cosine);
  return {
    value: where(usable, formed.value, sub(sub(cosine, drop), m3)),
    slope: where(usable, formed.slope, 1),
    byMargin: {
      m1: where(usable, formed.byMargin.m1, 0),
      m2: where(usable, formed.byMargin.m2, neg(dropByM2)),
      m3: formed.byMargin.m3,
    },
  };
}
