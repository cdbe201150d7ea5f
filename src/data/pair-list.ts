/** Two images by their names, and whether they are of one identity. */
export interface ListedPair {
  left: string;
  right: string;
  same: boolean;
  /** From 0. Default: folds are dealt out. */
  fold?: number | undefined;
}

/** A list of pairs in memory. */
export interface PairList {
  /** What results and messages call it. */
  source: string;
  pairs: readonly ListedPair[];
}
