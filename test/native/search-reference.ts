/** Cosines in double precision by plain loops: what the binary's search is held against. */
export interface Pair {
  query: number;
  row: number;
  cosine: number;
}

function dot(a: Float32Array, i: number, b: Float32Array, j: number, dim: number): number {
  let sum = 0;
  for (let d = 0; d < dim; d++) sum += a[i * dim + d]! * b[j * dim + d]!;
  return sum;
}

function cosine(a: Float32Array, i: number, b: Float32Array, j: number, dim: number): number {
  const squaredA = dot(a, i, a, i, dim);
  const squaredB = dot(b, j, b, j, dim);
  if (Math.sqrt(squaredA) < 1e-12 || Math.sqrt(squaredB) < 1e-12) return 0;
  return Math.max(-1, Math.min(1, dot(a, i, b, j, dim) / Math.sqrt(squaredA * squaredB)));
}

/** Every query with every row of the gallery; without one, every two queries once. */
export function allPairs(queries: Float32Array, gallery: Float32Array | undefined, dim: number): Pair[] {
  const rows = gallery ?? queries;
  const pairs: Pair[] = [];
  for (let query = 0; query < queries.length / dim; query++)
    for (let row = gallery ? 0 : query + 1; row < rows.length / dim; row++)
      pairs.push({ query, row, cosine: cosine(queries, query, rows, row, dim) });
  return pairs;
}

/** For each query the rows of its k largest cosines, ties by the lower row. */
export function nearest(queries: Float32Array, gallery: Float32Array, dim: number, k: number): Pair[] {
  const pairs = allPairs(queries, gallery, dim);
  return Array.from({ length: queries.length / dim }, (_, query) =>
    pairs
      .filter((pair) => pair.query === query)
      .sort((a, b) => b.cosine - a.cosine || a.row - b.row)
      .slice(0, k),
  ).flat();
}
