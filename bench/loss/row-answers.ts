import type { LossRow } from './rows.js';

/**
 * What the parent asks of a row's process. The first row that needs a problem makes it in `scratch`, for all: not before it
 * is known to be needed, and not in the parent, whose memory would be gone for the rows.
 */
export type RowRequest = { type: 'prepare'; row: LossRow; scratch: string; limitMs: number } | { type: 'turn' };

/** A row that is checked and warm. */
export interface ReadyRow {
  type: 'ready';
  isa: string;
  threads: number;
  peakBytes: number;
  relativeError: number;
  /** How much of its gradient tolerance the row has used; of rows that have one. */
  shareOfTolerance?: number | undefined;
  /** The mean loss of a timed call; `matmuls` has none. */
  loss: number | undefined;
  /** What a turn takes, about. */
  turnMs: number;
  /** The 5th, 25th, 50th, 75th and 95th percentile of p_y over the batch; of the typed-array API only. */
  targetProbability?: number[] | undefined;
}

/** What a row's process answers. */
export type RowAnswer =
  | ReadyRow
  | { type: 'turn'; callMs: number }
  | { type: 'skipped'; reason: string }
  | { type: 'failed'; reason: string };

/** A row on its way through a process: prepared once, then measured turn by turn. */
export interface RowSession {
  answer: ReadyRow | { type: 'skipped'; reason: string };
  /** Milliseconds of one call. */
  takeTurn(): number | Promise<number>;
}

/** Calls before the first that counts: they fault pages in, fill caches and let V8 compile. */
export const WARM_UP_CALLS = 2;

/** A session of a row whose call would take longer than the limit. */
export function tooSlow(estimateMs: number, limitMs: number): RowSession {
  const estimate = (estimateMs / 1000).toFixed(1);
  const reason = `a call would take about ${estimate} s, more than the limit of ${limitMs / 1000} s (--limit)`;
  return { answer: { type: 'skipped', reason }, takeTurn: () => Number.NaN };
}
