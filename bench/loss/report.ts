import type { Machine } from '../machine.js';
import type { Backend, Method, Pass, Shape } from './rows.js';

/** One measured row. */
export interface LossReportRow extends Shape {
  /** Method and pass, as in 'native gradients'. Unique together with backend, isa, threads and shape. */
  name: string;
  backend: Backend;
  method: Method;
  pass: Pass;
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
  /** By how much a call makes the process grow beyond its inputs: results and temporaries. */
  peakBytes: number;
  /** Relative L2 error against double precision, the largest of loss and gradients. */
  relativeError: number;
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
  measured: { time: string; peakBytes: string; relativeError: string; data: string };
  rows: LossReportRow[];
  /** Not measured for want of a package, a binary or time. */
  skipped: LossReportGap[];
  /** Threw, died, or gave wrong results. */
  failed: LossReportGap[];
}
