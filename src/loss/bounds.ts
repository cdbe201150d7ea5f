import { warnOnce } from '../kernels/warn-once.js';
import { COUNT_RANGE, checkNumber, type Range } from './check-options.js';
import type { Margins } from './types.js';

const POSTERIOR_RANGE: Range = { holds: (v) => v > 0 && v < 1, text: 'a number in (0, 1)' };

/** What `leastScale` is asked for. */
export interface LeastScaleQuery {
  /** C, at least 1. */
  numClasses: number;
  /** P, the least posterior wanted at the centre of a class, in (0, 1). Default 0.9. */
  posterior?: number | undefined;
}

/** What `largestMargin` is asked for. */
export interface LargestMarginQuery {
  /** C, at least 1. */
  numClasses: number;
  /** D, the length of an embedding, at least 1. */
  dim: number;
}

/**
 * The least scale at which a class centre can reach a given posterior: s >= (C-1)/C ln((C-1) P / (1-P)).
 *
 * Below it the loss stays away from 0 however well the classes are separated.
 *
 * @param query.numClasses - C, at least 1. One class needs no scale: 0.
 * @param query.posterior - P, the least posterior wanted at the centre of a class, in (0, 1). Default 0.9.
 * @returns s, at least 0. C = 10,575 and P = 0.9 give 11.46.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value out of range or missing.
 *
 * Source: Wang et al., CosFace, CVPR 2018, eq. (6), appendix A.
 * @example const scale = Math.max(16, leastScale({ numClasses: 539 }));
 */
export function leastScale(query: LeastScaleQuery): number {
  // From JavaScript the argument may be missing; the error shall name what it lacks.
  const { numClasses, posterior = 0.9 } = query ?? {};
  checkNumber('numClasses', numClasses, COUNT_RANGE);
  checkNumber('posterior', posterior, POSTERIOR_RANGE);
  if (numClasses === 1) return 0;
  const others = numClasses - 1;
  return Math.max(0, (others / numClasses) * Math.log((others * posterior) / (1 - posterior)));
}

/**
 * The largest cosine margin that C classes in D dimensions leave room for: 1 - max_{i != j} <w_i, w_j>.
 *
 * - D = 2: 1 - cos(2 pi / C), reached by centres at equal angles.
 * - C <= D + 1: C / (C - 1), reached by the corners of a simplex.
 * - C > D + 1 otherwise: C / (C - 1) again, but **only an upper limit**. What can be reached is much less and is not
 *   known in general; the paper writes 0 <= m << C / (C - 1).
 * - D = 1 and C > 2: 0, because two centres must share a direction. One class: Infinity.
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value out of range or missing.
 *
 * Source: Wang et al., CosFace, CVPR 2018, eq. (7), whose K is D here; the case D = 1 follows from its general form.
 * @example largestMargin({ numClasses: 8, dim: 2 }); // 0.29, the paper's toy
 */
export function largestMargin(query: LargestMarginQuery): number {
  const { numClasses, dim } = query ?? {};
  checkNumber('numClasses', numClasses, COUNT_RANGE);
  checkNumber('dim', dim, COUNT_RANGE);
  if (numClasses === 1) return Number.POSITIVE_INFINITY;
  if (dim === 1 && numClasses > 2) return 0;
  if (dim === 2) return 1 - Math.cos((2 * Math.PI) / numClasses);
  return numClasses / (numClasses - 1);
}

/** The posterior for which the scale is checked; the paper's table in appendix A starts there. */
const POSTERIOR = 0.9;

/**
 * Warns of a scale or a cosine margin outside the paper's bounds, once for each number of classes and dimensions: a
 * schedule may change them at every step. The bounds are advice, not limits.
 */
export function warnOutOfBounds(scale: number, margins: Margins, numClasses: number, dim: number): void {
  const least = leastScale({ numClasses, posterior: POSTERIOR });
  if (scale < least) {
    warnOnce(
      'COSFACE_SCALE_BOUND',
      `${numClasses} classes`,
      `scale ${scale} is below ${least.toFixed(2)}, the least for a posterior of ${POSTERIOR} among ${numClasses} classes ` +
        '(CosFace, eq. 6): the loss cannot come near 0. Use a larger scale; leastScale() gives the bound.',
    );
  }
  if (margins.m1 !== 1 || margins.m2 !== 0) return;
  const largest = largestMargin({ numClasses, dim });
  if (margins.m3 > largest) {
    warnOnce(
      'COSFACE_MARGIN_BOUND',
      `${numClasses} classes, ${dim} dimensions`,
      `margin ${margins.m3} is above ${largest.toFixed(4)}, the largest that ${numClasses} classes in ${dim} dimensions ` +
        'leave room for (CosFace, eq. 7). Use a smaller margin or more dimensions; largestMargin() gives the bound.',
    );
  }
}
