/** How a rule 'the same if the score is at least t' does, for every t that makes a difference, from strict to lax. */
export interface RocCurve {
  /** Infinity (nothing accepted), then every distinct score, falling. */
  thresholds: Float64Array;
  /** FAR: the share of impostor pairs that are accepted, from 0 to 1. */
  falseAccepts: Float64Array;
  /** TAR: the share of genuine pairs that are accepted, from 0 to 1. */
  trueAccepts: Float64Array;
}

/**
 * The receiver operating characteristic of scored pairs. Equal scores are accepted or rejected together.
 *
 * @param scores - One for each pair, higher for more alike; [P], finite.
 * @param same - 1 for a genuine pair, 0 for an impostor pair; [P], at least one of each.
 * @throws {RangeError} If there are no genuine or no impostor pairs, the lengths differ, or a score is not finite.
 */
export function rocCurve(scores: ArrayLike<number>, same: ArrayLike<number>): RocCurve {
  const { genuine, impostors } = sortedScores(scores, same);
  const thresholds = new Float64Array(scores.length + 1);
  const falseAccepts = new Float64Array(scores.length + 1);
  const trueAccepts = new Float64Array(scores.length + 1);
  thresholds[0] = Number.POSITIVE_INFINITY;
  let points = 1;
  // Both lists rise; what is left of them scores below the threshold.
  let [belowGenuine, belowImpostors] = [genuine.length, impostors.length];
  while (belowGenuine + belowImpostors > 0) {
    const threshold = Math.max(genuine[belowGenuine - 1] ?? -Infinity, impostors[belowImpostors - 1] ?? -Infinity);
    while (belowGenuine > 0 && genuine[belowGenuine - 1] === threshold) belowGenuine--;
    while (belowImpostors > 0 && impostors[belowImpostors - 1] === threshold) belowImpostors--;
    thresholds[points] = threshold;
    falseAccepts[points] = (impostors.length - belowImpostors) / impostors.length;
    trueAccepts[points++] = (genuine.length - belowGenuine) / genuine.length;
  }
  return {
    thresholds: thresholds.subarray(0, points),
    falseAccepts: falseAccepts.subarray(0, points),
    trueAccepts: trueAccepts.subarray(0, points),
  };
}

/** The two kinds of scores, each by rising score: 8 bytes a pair, and a sort of numbers, not of indices. */
function sortedScores(scores: ArrayLike<number>, same: ArrayLike<number>) {
  if (scores.length !== same.length) {
    throw new RangeError(
      `there are ${scores.length} scores but ${same.length} answers; give one answer for each score`,
    );
  }
  let count = 0;
  for (let i = 0; i < scores.length; i++) {
    if (!Number.isFinite(scores[i])) throw new RangeError(`scores[${i}] is ${scores[i]}, expected a finite number`);
    if (same[i]) count++;
  }
  const genuine = new Float64Array(count);
  const impostors = new Float64Array(scores.length - count);
  if (genuine.length === 0 || impostors.length === 0) {
    throw new RangeError(
      `${genuine.length} genuine and ${impostors.length} impostor pairs; a curve needs at least one of each`,
    );
  }
  let [nextGenuine, nextImpostor] = [0, 0];
  for (let i = 0; i < scores.length; i++) {
    if (same[i]) genuine[nextGenuine++] = scores[i] as number;
    else impostors[nextImpostor++] = scores[i] as number;
  }
  return { genuine: genuine.sort(), impostors: impostors.sort() };
}

/** AUC: the chance that a genuine pair scores above an impostor pair, a tie counting one half. */
export function areaUnderRoc({ falseAccepts, trueAccepts }: RocCurve): number {
  let area = 0;
  for (let i = 1; i < falseAccepts.length; i++) {
    const width = at(falseAccepts, i) - at(falseAccepts, i - 1);
    area += (width * (at(trueAccepts, i) + at(trueAccepts, i - 1))) / 2;
  }
  return area;
}

/** EER: the error where FAR equals 1 - TAR, on the straight line between the two points around it. */
export function equalErrorRate(curve: RocCurve): number {
  return equalErrorPoint(curve).rate;
}

/** The EER, and the laxer threshold of the two points around it. */
export function equalErrorPoint(curve: RocCurve): { rate: number; threshold: number } {
  const { falseAccepts, trueAccepts, thresholds } = curve;
  // FAR - (1 - TAR) rises from -1 to 1, so there is a first place where it is not negative.
  const excess = (i: number) => at(falseAccepts, i) + at(trueAccepts, i) - 1;
  let after = 1;
  while (excess(after) < 0) after++;
  const share = -excess(after - 1) / (excess(after) - excess(after - 1));
  const rate = at(falseAccepts, after - 1) + share * (at(falseAccepts, after) - at(falseAccepts, after - 1));
  return { rate, threshold: at(thresholds, after) };
}

/** A point of a curve. */
export interface RocPoint {
  far: number;
  tar: number;
  /** Infinity where nothing is accepted. */
  threshold: number;
}

/** The largest TAR of a threshold whose FAR is at most `far`; nothing is interpolated. */
export function trueAcceptRateAt(curve: RocCurve, far: number): number {
  return pointAt(curve, far).tar;
}

/** The laxest point whose FAR is at most `far`. */
export function pointAt({ falseAccepts, trueAccepts, thresholds }: RocCurve, far: number): RocPoint {
  let [last, beyond] = [0, falseAccepts.length];
  while (beyond - last > 1) {
    const middle = (last + beyond) >> 1;
    if (at(falseAccepts, middle) <= far) last = middle;
    else beyond = middle;
  }
  return { far: at(falseAccepts, last), tar: at(trueAccepts, last), threshold: at(thresholds, last) };
}

function at(values: Float64Array, index: number): number {
  return values[index] as number;
}
