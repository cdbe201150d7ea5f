import type { Precision } from '../../src/native/addon.js';
import type { ReadyRow } from './row-answers.js';
import type { LossRow } from './rows.js';

/**
 * Largest relative error of a row that counts as the same computation. Float32 at scale 64 gives some 1e-6; a wrong
 * margin or a missing term gives 1e-2 and more. bf16 has 8 bits: of gradients some 2e-3 is lost, and in the logits, at
 * D = 20, up to a tenth of one.
 */
const ERROR_LIMITS: Record<Precision, number> = { fp32: 1e-4, 'bf16-gradients': 2e-2, bf16: 1e-1 };
/** Of the bound of docs/math.md, section 8, with room for the rounding of the gradients themselves. */
const TOLERANCE_LIMIT = 1.001;

export interface CheckedRow {
  row: LossRow;
  ready: Pick<ReadyRow, 'relativeError' | 'loss' | 'shareOfTolerance'>;
}

/**
 * Why a row must not be timed: it computes something else than it says. `undefined` for a sound row.
 *
 * @param peers - Sound rows of the same run. The check of a row weighs some samples only; that its mean loss is theirs
 * speaks for all of them.
 */
export function faultOf({ row, ready }: CheckedRow, peers: readonly CheckedRow[]): string | undefined {
  const limit = ERROR_LIMITS[row.precision];
  // Not `>`: NaN is a fault.
  if (row.gradientTolerance > 0) {
    // Relative to gradients that are nearly nothing, what a tolerance leaves out can be large.
    if (!((ready.shareOfTolerance as number) <= TOLERANCE_LIMIT))
      return `${ready.shareOfTolerance} of the gradient tolerance is used, expected at most 1`;
  } else if (!(ready.relativeError <= limit)) {
    return `relative error ${ready.relativeError}, expected at most ${limit}`;
  }
  const peer = peers.find((other) => sameProblem(other.row, row) && other.ready.loss !== undefined);
  const expected = peer?.ready.loss;
  if (ready.loss === undefined || expected === undefined) return undefined;
  if (Math.abs(ready.loss - expected) <= limit * Math.abs(expected)) return undefined;
  return `mean loss ${ready.loss}, but ${expected} from ${peer?.row.backend} ${peer?.row.name}`;
}

function sameProblem(a: LossRow, b: LossRow): boolean {
  return (['batch', 'classes', 'dim', 'state', 'margin'] as const).every((key) => a[key] === b[key]);
}
