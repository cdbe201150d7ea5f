import type { LossRow } from './rows.js';

/** What the parent asks of a row's process. */
export type RowRequest = { type: 'prepare'; row: LossRow; limitMs: number } | { type: 'turn' };

/** A row that is checked and warm. */
export interface ReadyRow {
  type: 'ready';
  isa: string;
  threads: number;
  peakBytes: number;
  relativeError: number;
  /** The mean loss of a timed call; `matmuls` has none. */
  loss: number | undefined;
  /** What a turn takes, about. */
  turnMs: number;
}

/** What a row's process answers. */
export type RowAnswer =
  | ReadyRow
  | { type: 'turn'; callMs: number }
  | { type: 'skipped'; reason: string }
  | { type: 'failed'; reason: string };

/** Calls before the first that counts: they fault pages in, fill caches and let V8 compile. */
export const WARM_UP_CALLS = 2;
