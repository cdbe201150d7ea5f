/** Where a class lies on the circle; radians. */
export interface Sector {
  label: number;
  /** The direction of the mean of its unit vectors. */
  middle: number;
  /** Its central part, `from` to `to`, around `middle`; may leave [-pi, pi]. */
  from: number;
  to: number;
}

/**
 * The sector of each class of 2-D features: the angles of its central 90 %, so that a few strays do not decide.
 *
 * @param features - Row-major [N, 2].
 * @param labels - Class indices, [N].
 * @param share - How much of a class its sector holds. Default 0.9.
 * @returns By rising `middle`, so that neighbours on the circle are neighbours in the list.
 */
export function sectors(features: Float32Array, labels: ArrayLike<number>, share = 0.9): Sector[] {
  const angles = new Map<number, number[]>();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    const angle = Math.atan2(features[2 * i + 1] as number, features[2 * i] as number);
    angles.set(label, [...(angles.get(label) ?? []), angle]);
  }
  return [...angles].map(([label, of]) => sector(label, of, share)).sort((a, b) => a.middle - b.middle);
}

function sector(label: number, angles: readonly number[], share: number): Sector {
  const sum = (f: (angle: number) => number) => angles.reduce((total, angle) => total + f(angle), 0);
  const middle = Math.atan2(sum(Math.sin), sum(Math.cos));
  const offsets = angles.map((angle) => turn(angle - middle)).sort((a, b) => a - b);
  const quantile = (p: number) => offsets[Math.round(p * (offsets.length - 1))] as number;
  return { label, middle, from: middle + quantile((1 - share) / 2), to: middle + quantile((1 + share) / 2) };
}

/**
 * The mean angle between the sectors of neighbouring classes, in radians; below 0 where they overlap. The paper's
 * margin made visible: with no margin neighbours touch, with one there is room between them.
 */
export function meanGap(circle: readonly Sector[]): number {
  const gaps = circle.map(({ to }, i) => {
    const next = circle[(i + 1) % circle.length] as Sector;
    const round = i + 1 === circle.length ? 2 * Math.PI : 0;
    return next.from + round - to;
  });
  return gaps.reduce((total, gap) => total + gap, 0) / gaps.length;
}

/** The same angle in [-pi, pi). */
export function turn(angle: number): number {
  return angle - 2 * Math.PI * Math.floor((angle + Math.PI) / (2 * Math.PI));
}
