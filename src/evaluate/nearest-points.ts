import type { RocCurve, RocPoint } from './roc.js';

/**
 * TAR at the point of the curve whose FAR is nearest, as InsightFace reports it for IJB-B and IJB-C: of equal FARs the
 * largest TAR. The FAR may be above what was asked for. As scikit-learn's roc_curve does there, points on a straight
 * line between their neighbours are left out first.
 */
export function nearestPoints(
  curve: RocCurve,
  { genuine, impostor }: { genuine: number; impostor: number },
  falseAcceptRates: readonly number[],
): RocPoint[] {
  const nearest = falseAcceptRates.map(() => ({ far: Number.POSITIVE_INFINITY, tar: 0, threshold: 0 }));
  const counts = (i: number) => [
    Math.round((curve.falseAccepts[i] as number) * impostor),
    Math.round((curve.trueAccepts[i] as number) * genuine),
  ];
  const last = curve.thresholds.length - 1;
  const onLine = (i: number) => {
    if (i === 0 || i === last) return false;
    const [before, here, after] = [counts(i - 1), counts(i), counts(i + 1)] as [number[], number[], number[]];
    return [0, 1].every((k) => 2 * (here[k] as number) === (before[k] as number) + (after[k] as number));
  };
  for (let i = 0; i <= last; i++) {
    if (onLine(i)) continue;
    const point = {
      far: curve.falseAccepts[i] as number,
      tar: curve.trueAccepts[i] as number,
      threshold: curve.thresholds[i] as number,
    };
    falseAcceptRates.forEach((far, at) => {
      if (Math.abs(point.far - far) <= Math.abs((nearest[at] as RocPoint).far - far)) nearest[at] = point;
    });
  }
  return nearest;
}
