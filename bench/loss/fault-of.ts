import type { ReadyRow } from './row-answers.js';
import type { LossRow } from './rows.js';

/**
 * Largest relative error of a row that counts as the same computation. Float32 at scale 64 gives some 1e-6; a wrong
 * margin or a missing term gives 1e-2 and more.
 */
const ERROR_LIMIT = 1e-4;
/** Of rows that are asked for less: bf16 has 8 bits, which leaves some 2e-3 to 5e-3 of a gradient. */
const COARSE_LIMIT = 2e-2;

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
  const limit = row.precision === 'fp32' && row.gradientTolerance === 0 ? ERROR_LIMIT : COARSE_LIMIT;
  // Not `>`: NaN is a fault.
  if (!(ready.relativeError <= limit)) return `relative error ${ready.relativeError}, expected at most ${limit}`;
  const peer = peers.find((other) => sameProblem(other.row, row) && other.ready.loss !== undefined);
  const expected = peer?.ready.loss;
  if (ready.loss === undefined || expected === undefined) return undefined;
  if (Math.abs(ready.loss - expected) <= limit * Math.abs(expected)) return undefined;
  return `mean loss ${ready.loss}, but ${expected} from ${peer?.row.backend} ${peer?.row.name}`;
}

function sameProblem(a: LossRow, b: LossRow): boolean {
  return (['batch', 'classes', 'dim', 'state', 'margin'] as const).every((key) => a[key] === b[key]);
}
