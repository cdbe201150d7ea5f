/** Pairs of samples for verification, as parallel arrays [P]. */
export interface Pairs {
  left: Int32Array;
  right: Int32Array;
  /** 1 if both are of one identity, else 0. */
  same: Uint8Array;
  fold: Int32Array;
}

/**
 * Every pair within each fold, the samples of each identity dealt out to the folds in turn. So no sample is in two
 * folds, and a threshold from other folds has seen none of the fold's samples.
 *
 * @param labels - The identity of each sample, [N].
 * @param folds - How many; 10 in LFW's protocol.
 */
export function pairsWithinFolds(labels: ArrayLike<number>, folds: number): Pairs {
  const members: number[][] = Array.from({ length: folds }, () => []);
  const dealt = new Map<number, number>();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] as number;
    const turn = dealt.get(label) ?? 0;
    dealt.set(label, turn + 1);
    members[turn % folds]?.push(i);
  }
  const pairs = members.flatMap((samples, fold) =>
    samples.flatMap((i, place) =>
      samples.slice(place + 1).map((j) => [i, j, labels[i] === labels[j] ? 1 : 0, fold] as const),
    ),
  );
  return {
    left: Int32Array.from(pairs, ([i]) => i),
    right: Int32Array.from(pairs, ([, j]) => j),
    same: Uint8Array.from(pairs, ([, , same]) => same),
    fold: Int32Array.from(pairs, ([, , , fold]) => fold),
  };
}

/**
 * The cosine of each pair's embeddings, [P]; 0 where one of them is zero.
 *
 * @param embeddings - Row-major [N, dim].
 */
export function cosineScores(embeddings: Float32Array, dim: number, { left, right }: Pairs): Float64Array {
  const norms = Float64Array.from({ length: embeddings.length / dim }, (_, i) =>
    Math.sqrt(product(embeddings, dim, i, i)),
  );
  return Float64Array.from(left, (i, pair) => {
    const j = right[pair] as number;
    const scale = (norms[i] as number) * (norms[j] as number);
    return scale === 0 ? 0 : product(embeddings, dim, i, j) / scale;
  });
}

function product(embeddings: Float32Array, dim: number, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += (embeddings[i * dim + k] as number) * (embeddings[j * dim + k] as number);
  return sum;
}
