/** In double precision; 0 where one of them is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [cross, squareA, squareB] = [0, 0, 0];
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k] as number, b[k] as number];
    cross += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  // A vector of norm below 1e-12 has cosine 0 with everything, as in the native search.
  if (Math.min(squareA, squareB) < 1e-24) return 0;
  return Math.max(-1, Math.min(1, cross / (Math.sqrt(squareA) * Math.sqrt(squareB))));
}
