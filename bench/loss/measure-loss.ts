import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { currentCommit } from '../commit.js';
import { describeMachine } from '../machine.js';
import { peakMemoryMethod } from '../peak-memory.js';
import { goalsOf } from './goals.js';
import { RateMeter } from './machine-rates.js';
import { PROBLEM_DESCRIPTION } from './problem.js';
import type { LossReport } from './report.js';
import { WARM_UP_CALLS } from './row-answers.js';
import { type ContestOutcome, runContest } from './run-contest.js';
import type { Contest, KernelChoice } from './suites.js';

export interface MeasureLossOptions {
  contests: readonly Contest[];
  kernel: KernelChoice;
  /** For the timed turns of each contest, about; every row gets its least turns anyway. */
  seconds: number;
  /** Rows whose call takes longer are skipped. */
  limitSeconds: number;
  /** The command line that repeats this run, for the report. */
  command: string;
  /** Told after each step of the work. */
  onProgress?: (done: number, total: number, what: string) => void;
}

const TIME_METHOD =
  'one call a turn, the rows of a shape taking turns (odd rounds backwards), what a large one has left collected after it; median and ' +
  `interquartile range; after ${WARM_UP_CALLS} calls of warm-up. Of calls shorter than the clock, the median over loops ` +
  'of Benchmark.js. Peers time their calls in Python';

const PEAK_METHOD =
  '6NCD flops for loss and gradients, 2NCD for the loss alone, by the median, as a share of the median rate of ' +
  'multiply-adds in registers, measured for 10 ms after each of the first 30 repeats, on as many threads, in the vectors of the row (of ' +
  'the best instruction set for what is not our kernel), always in float32';

const ERROR_METHOD =
  'the largest of the relative L2 errors of mean loss, dEmbeddings and dWeights against double precision in ' +
  'JavaScript, in a call of full size in which as many samples weigh 1 as 0.5 GFLOP can check (all where they can, else ' +
  'evenly spread; the others weigh 0). matmuls: of the first two products, in the rows of those samples';

/**
 * Measures the loss step contest by contest: checks each row against double precision, warms it up, then times all of
 * them in turns, one call at a time.
 */
export async function measureLoss(options: MeasureLossOptions): Promise<LossReport> {
  const machine = describeMachine();
  const date = new Date().toISOString();
  const meter = new RateMeter(options.kernel);
  const outcomes = await runContests(options, meter);
  const rows = outcomes.flatMap((outcome) => outcome.rows);
  return {
    ...{ machine, commit: currentCommit(), date, command: options.command },
    measured: {
      time: TIME_METHOD,
      peak: PEAK_METHOD,
      peakBytes:
        `${peakMemoryMethod()}, over the first call of full size (of a peer, over one call after its first, memory that was ` +
        'freed before given back), in a process for each row that holds its inputs',
      relativeError: ERROR_METHOD,
      data: PROBLEM_DESCRIPTION,
    },
    ...{ rates: meter.rates(), rows, goals: goalsOf(rows) },
    skipped: outcomes.flatMap(({ skipped }) => skipped),
    failed: outcomes.flatMap(({ failed }) => failed),
  };
}

async function runContests(options: MeasureLossOptions, meter: RateMeter): Promise<ContestOutcome[]> {
  const { contests, seconds, limitSeconds, onProgress } = options;
  const outcomes: ContestOutcome[] = [];
  for (const [at, contest] of contests.entries()) {
    // A folder of its own: the problems of a large contest are gigabytes.
    const scratch = mkdtempSync(join(tmpdir(), 'cosface-bench-'));
    const which = contests.length === 1 ? '' : `${at + 1}/${contests.length} `;
    try {
      outcomes.push(
        await runContest(contest, {
          ...{ scratch, meter, seconds, limitSeconds },
          onProgress: (done, total, what) => onProgress?.(done, total, which + what),
        }),
      );
    } finally {
      rmSync(scratch, { recursive: true });
    }
  }
  return outcomes;
}
