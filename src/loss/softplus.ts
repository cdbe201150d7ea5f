import { abs, add, div, exp, greater, log, maximum, mul, neg, sub, type Tensor, where } from '@tensorflow/tfjs-core';

/**
 * log(1 + v) for v in [0, 1]. The wasm backend's Log1p adds the 1 first and so loses v; here the rounding of 1 + v
 * cancels between logarithm and quotient (Kahan's form).
 */
export function log1pOf(v: Tensor): Tensor {
  const rounded = add(1, v);
  const part = sub(rounded, 1);
  const visible = greater(part, 0);
  return where(visible, mul(log(rounded), div(v, where(visible, part, 1))), v);
}

/** log(1 + e^u) without overflow; 0 for -Infinity, and exact to the last digits where it is small. */
export function softplus(u: Tensor): Tensor {
  return add(maximum(u, 0), log1pOf(exp(neg(abs(u)))));
}
