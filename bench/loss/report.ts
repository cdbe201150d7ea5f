import type { Machine } from '../machine.js';
import type { Goal } from './goals.js';
import type { MachineRates } from './machine-rates.js';
import type { Backend, KernelOptions, LossRow, Method, Pass, Shape } from './rows.js';

/** One measured row. */
export interface LossReportRow extends Shape, KernelOptions {
  /** Method, pass and whatever is not as usual, as in 'native gradients, bf16'. Unique with backend, isa, threads, shape. */
  name: string;
  backend: Backend;
  method: Method;
  pass: Pass;
  state: LossRow['state'];
  malloc: LossRow['malloc'];
  /** What did the arithmetic: the kernel's instruction set, or what the backend computes with. */
  isa: string;
  threads: number;
  /** Of one call. */
  medianMs: number;
  /** Interquartile range of the repeats. */
  spreadMs: number;
  repeats: number;
  /** 6NCD flops a call for loss and gradients, 2NCD for the loss alone; recomputation is no work. */
  gflops: number;
  /** `gflops` by the median rate of multiply-adds measured after each repeat; null without a binary, and where a call is
   * too short for flops to count. */
  shareOfPeak: number | null;
  /** By how much a call makes the process grow beyond its inputs: results and temporaries. */
  peakBytes: number;
  /** `peakBytes` less the results: what a better implementation could do without. Null where results are not those of the loss. */
  beyondBytes: number | null;
  /** Relative L2 error against double precision, the largest of loss and gradients. */
  relativeError: number;
  /** The 5th, 25th, 50th, 75th and 95th percentile of p_y over the batch; of the typed-array API only. */
  targetProbability?: number[];
}

/** A row without figures, and why. */
export interface LossReportGap extends Pick<LossReportRow, 'name' | 'backend'>, Shape {
  isa: string;
  threads: number | 'all';
  reason: string;
}

/** What `cosface bench loss` prints. */
export interface LossReport {
  machine: Machine;
  commit: string;
  /** ISO 8601. */
  date: string;
  /** The command line that repeats this run. */
  command: string;
  /** How each kind of figure came about, in words. */
  measured: { time: string; peak: string; peakBytes: string; relativeError: string; data: string };
  /** What the machine can do at most, measured in between. */
  rates: MachineRates;
  rows: LossReportRow[];
  /** The project's goals that this run has rows for. */
  goals: Goal[];
  /** Not measured for want of a package, a binary, memory or time. */
  skipped: LossReportGap[];
  /** Threw, died, or gave wrong results. */
  failed: LossReportGap[];
}
