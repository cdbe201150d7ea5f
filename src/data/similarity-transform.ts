import type { Point } from './landmarks.js';

/** A turn, a change of size and a shift: x' = a x - b y + x0, y' = b x + a y + y0. */
export interface Similarity {
  a: number;
  b: number;
  x0: number;
  y0: number;
}

/** Squared spread of the points, in pixels, below which they count as one point. */
const LEAST_SPREAD = 1e-6;

/**
 * The similarity without reflection that brings `from` nearest to `to`, in least squares.
 *
 * With points as complex numbers and both sets about their means it is a regression with one complex coefficient:
 * a + bi = sum(conj(from) to) / sum |from|^2. In two dimensions this is Umeyama's solution (PAMI 1991, eq. 40-42).
 *
 * @returns `undefined` where the points of `from` or the fit collapse to one point, or a coordinate is not finite.
 */
export function fitSimilarity(from: readonly Point[], to: readonly Point[]): Similarity | undefined {
  const [fromX, fromY] = mean(from);
  const [toX, toY] = mean(to);
  let [real, imaginary, spread] = [0, 0, 0];
  from.forEach(([x, y], i) => {
    const [u, v] = [x - fromX, y - fromY];
    const [targetX, targetY] = to[i] as Point;
    const [p, q] = [targetX - toX, targetY - toY];
    real += u * p + v * q;
    imaginary += u * q - v * p;
    spread += u * u + v * v;
  });
  const [a, b] = [real / spread, imaginary / spread];
  // Not `<`: this refuses NaN too.
  if (!(spread > LEAST_SPREAD) || !(Math.hypot(a, b) > LEAST_SPREAD)) return undefined;
  return { a, b, x0: toX - a * fromX + b * fromY, y0: toY - b * fromX - a * fromY };
}

export function applySimilarity({ a, b, x0, y0 }: Similarity, [x, y]: Point): Point {
  return [a * x - b * y + x0, b * x + a * y + y0];
}

/** The similarity that undoes another. */
export function invertSimilarity({ a, b, x0, y0 }: Similarity): Similarity {
  const square = a * a + b * b;
  const [c, d] = [a / square, -b / square];
  return { a: c, b: d, x0: -c * x0 + d * y0, y0: -d * x0 - c * y0 };
}

function mean(points: readonly Point[]): Point {
  const sum = points.reduce(([x, y], [u, v]) => [x + u, y + v], [0, 0] as Point);
  return [sum[0] / points.length, sum[1] / points.length];
}
