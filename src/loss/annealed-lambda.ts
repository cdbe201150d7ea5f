import { checkNumber, NONNEGATIVE_RANGE } from './check-options.js';

/** What `annealedLambda` is asked for. */
export interface AnnealedLambdaQuery {
  /** Steps done so far, at least 0. */
  step: number;
  /** lambda at the start. Default 1000. */
  base?: number | undefined;
  /** Default 0.12. */
  gamma?: number | undefined;
  /** Default 1. */
  power?: number | undefined;
  /** lambda never falls below it. Default 5. */
  least?: number | undefined;
}

/**
 * The schedule by which SphereFace blends its margin in: lambda = max(least, base (1 + gamma step)^-power).
 *
 * @returns lambda for `sphereFaceLoss`, `aSoftmaxLoss` and `lSoftmaxLoss`: 1000 at step 0, 5 from step 1659 on.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value that is negative, not finite or missing.
 *
 * Source: the defaults are those of the SphereFace authors' training code (wy1iu/sphereface); L-Softmax's example uses
 * base 1000, gamma 0.000025, power 35, least 0.
 * @example
 * const loss = aSoftmaxLoss(x, w, y, { lambda: annealedLambda({ step }) });
 */
export function annealedLambda(query: AnnealedLambdaQuery): number {
  const { step, base = 1000, gamma = 0.12, power = 1, least = 5 } = query ?? {};
  for (const [name, value] of Object.entries({ step, base, gamma, power, least })) {
    checkNumber(name, value as number, NONNEGATIVE_RANGE);
  }
  return Math.max(least, base * (1 + gamma * step) ** -power);
}
