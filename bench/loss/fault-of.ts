import type { ReadyRow } from './row-answers.js';
import type { LossRow } from './rows.js';

/**
 * Largest relative error of a row that counts as the same computation. Float32 at scale 64 gives some 1e-6; a wrong
 * margin or a missing term gives 1e-2 and more.
 */
const ERROR_LIMIT = 1e-4;

export interface CheckedRow {
  row: LossRow;
  ready: Pick<ReadyRow, 'relativeError' | 'loss'>;
}

/**
 * Why a row must not be timed: it computes something else than it says. `undefined` for a sound row.
 *
 * @param peers - Sound rows of the same run. The check of a row weighs some samples only; that its mean loss is theirs
 * speaks for all of them.
 */
export function faultOf({ row, ready }: CheckedRow, peers: readonly CheckedRow[]): string | undefined {
  // Not `>`: NaN is a fault.
  if (!(ready.relativeError <= ERROR_LIMIT))
    return `relative error ${ready.relativeError}, expected at most ${ERROR_LIMIT}`;
  const peer = peers.find((other) => sameShape(other.row, row) && other.ready.loss !== undefined);
  const expected = peer?.ready.loss;
  if (ready.loss === undefined || expected === undefined) return undefined;
  if (Math.abs(ready.loss - expected) <= ERROR_LIMIT * Math.abs(expected)) return undefined;
  return `mean loss ${ready.loss}, but ${expected} from ${peer?.row.backend} ${peer?.row.name}`;
}

function sameShape(a: LossRow, b: LossRow): boolean {
  return a.batch === b.batch && a.classes === b.classes && a.dim === b.dim;
}
