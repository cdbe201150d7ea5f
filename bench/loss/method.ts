import type { LossProblem } from './problem.js';
import type { LossRow } from './rows.js';

/** A way to compute the step, ready on one problem. */
export interface Runnable {
  /** What does the arithmetic: an instruction set of the kernel, or of the backend. */
  isa: string;
  threads: number;
  /**
   * One step, as a user runs it, its results read as far as a training reads them.
   *
   * @returns The mean loss; `undefined` from `matmuls`, which has none.
   */
  call(): number | undefined;
  /** Relative L2 error of one call against double precision. `read` gives the problem, so that a row need not keep it. */
  relativeError(read: () => LossProblem): number;
  /** How much of its gradient tolerance one call has used, at most 1; of rows that have one. */
  shareOfTolerance?(): number;
  /** p_y of each sample as the margin leaves it, [N]; of the typed-array API only. */
  targetProbabilities?(): Float32Array;
}

/**
 * Readies a method for a problem.
 *
 * @throws {UnavailableError} Something this row needs is not installed.
 */
export type Prepare = (row: LossRow, problem: LossProblem) => Promise<Runnable>;

/** A row cannot be measured here, which is no fault: a package or a binary is not there. */
export class UnavailableError extends Error {}
