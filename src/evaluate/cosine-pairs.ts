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
export function cosineScores(
  embeddings: Float32Array,
  dim: number,
  pairs: Pick<Pairs, 'left' | 'right'>,
): Float64Array {
  const norms = squaredNorms(embeddings, dim).map(Math.sqrt);
  const { left, right } = pairs;
  return dotScores(embeddings, dim, pairs).map((dot, pair) => {
    const scale = (norms[left[pair] as number] as number) * (norms[right[pair] as number] as number);
    // Rounding may take the cosine of two vectors of one direction beyond 1.
    return scale === 0 ? 0 : Math.max(-1, Math.min(1, dot / scale));
  });
}

/** The dot product of each pair's embeddings, [P]. */
export function dotScores(
  embeddings: Float32Array,
  dim: number,
  { left, right }: Pick<Pairs, 'left' | 'right'>,
): Float64Array {
  const scores = new Float64Array(left.length);
  for (let pair = 0; pair < left.length; pair++)
    scores[pair] = product(embeddings, dim, left[pair] as number, right[pair] as number);
  return scores;
}

/** The dot product of each row with itself, [N]. */
export function squaredNorms(embeddings: Float32Array, dim: number): Float64Array {
  return Float64Array.from({ length: embeddings.length / dim }, (_, i) => product(embeddings, dim, i, i));
}

function product(embeddings: Float32Array, dim: number, i: number, j: number): number {
  const [from, other] = [i * dim, j * dim];
  let sum = 0;
  for (let k = 0; k < dim; k++) sum += (embeddings[from + k] as number) * (embeddings[other + k] as number);
  return sum;
}
