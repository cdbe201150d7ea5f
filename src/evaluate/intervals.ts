import { meanAndError } from './mean-and-error.js';
import { areaUnderRoc, type RocCurve } from './roc.js';

/** An interval that covers the true value in `level` of all repetitions, as far as its method's assumption holds. */
export interface ConfidenceInterval {
  low: number;
  high: number;
  level: number;
  /** `student`: of a mean of folds. `wilson`: of a share of pairs. `delong`: of an AUC. */
  method: 'student' | 'wilson' | 'delong';
}

/** Of the mean of independent values, such as the accuracies of folds: mean +- t standard errors. */
export function studentInterval(values: readonly number[], level: number): ConfidenceInterval | undefined {
  if (values.length < 2) return undefined;
  const { mean, standardError } = meanAndError(values);
  const half = studentQuantile(values.length - 1, level) * standardError;
  return { ...within(mean, half), level, method: 'student' };
}

/**
 * Of a share of independent trials. Right also where all or none succeed, where mean +- z errors has no width.
 *
 * Source: Wilson, Probable inference, JASA 22 (1927), 209-212.
 */
export function wilsonInterval(successes: number, trials: number, level: number): ConfidenceInterval {
  const z = normalQuantile(level);
  const share = successes / trials;
  const scale = 1 / (1 + z ** 2 / trials);
  const middle = scale * (share + z ** 2 / (2 * trials));
  const half = scale * z * Math.sqrt((share * (1 - share)) / trials + (z / (2 * trials)) ** 2);
  return { ...within(middle, half), level, method: 'wilson' };
}

/**
 * Of the area under a curve, by the variance of the pairs' placements. Pairs count as independent.
 *
 * Source: DeLong et al., Comparing the areas under two or more correlated ROC curves, Biometrics 44 (1988), 837-845.
 */
export function areaInterval(
  curve: RocCurve,
  pairs: { genuine: number; impostor: number },
  level: number,
): ConfidenceInterval | undefined {
  const { genuine, impostor } = pairs;
  if (genuine < 2 || impostor < 2) return undefined;
  const area = areaUnderRoc(curve);
  const { falseAccepts, trueAccepts } = curve;
  let [ofGenuine, ofImpostors] = [0, 0];
  for (let i = 1; i < falseAccepts.length; i++) {
    const [far, farBefore] = [falseAccepts[i] as number, falseAccepts[i - 1] as number];
    const [tar, tarBefore] = [trueAccepts[i] as number, trueAccepts[i - 1] as number];
    // A genuine pair of this score beats the impostors below it and half of those that tie with it; and the reverse.
    ofGenuine += (tar - tarBefore) * (1 - (far + farBefore) / 2 - area) ** 2;
    ofImpostors += (far - farBefore) * ((tar + tarBefore) / 2 - area) ** 2;
  }
  const variance = ofGenuine / (genuine - 1) + ofImpostors / (impostor - 1);
  return { ...within(area, normalQuantile(level) * Math.sqrt(variance)), level, method: 'delong' };
}

function within(middle: number, half: number): { low: number; high: number } {
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** z with P(|Z| < z) = level for a standard normal Z, by bisection. */
export function normalQuantile(level: number): number {
  return bisect((z) => normalWithin(z), level, 9);
}

/** The series of Abramowitz and Stegun 26.2.11; every term is positive, so nothing cancels. */
function normalWithin(z: number): number {
  let [term, sum] = [z, z];
  for (let k = 3; term > sum * 1e-17; k += 2) {
    term *= z ** 2 / k;
    sum += term;
  }
  return Math.sqrt(2 / Math.PI) * Math.exp(-(z ** 2) / 2) * sum;
}

/** t with P(|T| < t) = level for Student's T with so many degrees of freedom, by bisection. */
export function studentQuantile(freedom: number, level: number): number {
  const angle = bisect((at) => studentWithin(freedom, at), level, Math.PI / 2);
  return Math.sqrt(freedom) * Math.tan(angle);
}

/** P(|T| < sqrt(freedom) tan(angle)): the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4. */
function studentWithin(freedom: number, angle: number): number {
  const odd = freedom % 2 === 1;
  let term = odd ? Math.cos(angle) : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 2 : 1; k + 1 <= freedom - 2; k += 2) {
    term *= (k / (k + 1)) * Math.cos(angle) ** 2;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/** Where a function that rises from 0 at 0 reaches a value. */
function bisect(rising: (x: number) => number, value: number, highest: number): number {
  let [low, high] = [0, highest];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (rising(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
