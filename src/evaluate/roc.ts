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
  const { order, genuine, impostors } = ranked(scores, same);
  const thresholds = [Number.POSITIVE_INFINITY];
  const falseAccepts = [0];
  const trueAccepts = [0];
  let [accepted, wrongly] = [0, 0];
  order.forEach((pair, place) => {
    if (same[pair]) accepted++;
    else wrongly++;
    const next = order[place + 1];
    if (next !== undefined && scores[next] === scores[pair]) return;
    thresholds.push(scores[pair] as number);
    falseAccepts.push(wrongly / impostors);
    trueAccepts.push(accepted / genuine);
  });
  return {
    thresholds: Float64Array.from(thresholds),
    falseAccepts: Float64Array.from(falseAccepts),
    trueAccepts: Float64Array.from(trueAccepts),
  };
}

function ranked(scores: ArrayLike<number>, same: ArrayLike<number>) {
  if (scores.length !== same.length) {
    throw new RangeError(
      `there are ${scores.length} scores but ${same.length} answers; give one answer for each score`,
    );
  }
  const order = Array.from({ length: scores.length }, (_, i) => i);
  const wrong = order.find((i) => !Number.isFinite(scores[i]));
  if (wrong !== undefined) throw new RangeError(`scores[${wrong}] is ${scores[wrong]}, expected a finite number`);
  order.sort((i, j) => (scores[j] as number) - (scores[i] as number));
  const genuine = order.reduce((count, i) => count + (same[i] ? 1 : 0), 0);
  const impostors = order.length - genuine;
  if (genuine === 0 || impostors === 0) {
    throw new RangeError(`${genuine} genuine and ${impostors} impostor pairs; a curve needs at least one of each`);
  }
  return { order, genuine, impostors };
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
export function equalErrorRate({ falseAccepts, trueAccepts }: RocCurve): number {
  // FAR - (1 - TAR) rises from -1 to 1, so there is a first place where it is not negative.
  const excess = (i: number) => at(falseAccepts, i) + at(trueAccepts, i) - 1;
  let after = 1;
  while (excess(after) < 0) after++;
  const share = -excess(after - 1) / (excess(after) - excess(after - 1));
  return at(falseAccepts, after - 1) + share * (at(falseAccepts, after) - at(falseAccepts, after - 1));
}

/** The largest TAR of a threshold whose FAR is at most `far`; nothing is interpolated. */
export function trueAcceptRateAt({ falseAccepts, trueAccepts }: RocCurve, far: number): number {
  let last = 0;
  while (last + 1 < falseAccepts.length && at(falseAccepts, last + 1) <= far) last++;
  return at(trueAccepts, last);
}

function at(values: Float64Array, index: number): number {
  return values[index] as number;
}
