import Benchmark from 'benchmark';
import { CosFaceError } from '../../src/native/errors.js';
import { loadAddon } from '../../src/native/load.js';
import { watchPeakMemory } from '../peak-memory.js';
import { medianAndSpread, quantiles } from '../statistics.js';
import { estimateCall } from './estimate-call.js';
import { type Runnable, UnavailableError } from './method.js';
import { startPeer } from './peer-session.js';
import { prepare } from './prepare.js';
import { makeProblem } from './problem.js';
import { provideProblem, readProblem } from './problem-files.js';
import { type RowAnswer, type RowRequest, type RowSession, tooSlow, WARM_UP_CALLS } from './row-answers.js';
import { isOurs, isPeerMethod, type LossRow, resultBytes } from './rows.js';

type Preparation = Extract<RowRequest, { type: 'prepare' }>;

/**
 * One row's process: it prepares when asked, then makes one measurement for each turn. A process for each row, because
 * peak memory belongs to a process, and so that no row runs on the heap, the compiled code or the allocator of another.
 */
export function runRowProcess(): void {
  let session: RowSession | undefined;
  process.on('disconnect', () => process.exit());
  process.on('message', async (request: RowRequest) => {
    try {
      if (request.type === 'turn') return answer({ type: 'turn', callMs: await (session as RowSession).takeTurn() });
      session = await (isPeerMethod(request.row.method) ? startPeer(request) : prepareRow(request));
      answer(session.answer);
    } catch (error) {
      answer(outcomeOf(error));
    }
  });
}

function answer(message: RowAnswer): void {
  process.send?.(message);
}

function outcomeOf(error: unknown): RowAnswer {
  const missing =
    error instanceof UnavailableError || (error instanceof CosFaceError && error.code === 'COSFACE_NO_BINARY');
  if (missing) return { type: 'skipped', reason: error.message };
  return { type: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

async function prepareRow({ row, scratch, limitMs }: Preparation): Promise<RowSession> {
  const estimateMs = await estimateCall(row, callMs);
  if (estimateMs > limitMs) return tooSlow(estimateMs, limitMs);
  const folder = provideProblem(scratch, row);
  const runnable = await prepare(row, readProblem(folder, row));
  const { peakBytes, warmUp } = firstCalls(row, runnable);
  const relativeError = runnable.relativeError(() => readProblem(folder, row));
  const shareOfTolerance = runnable.shareOfTolerance?.();
  const probabilities = runnable.targetProbabilities?.();
  globalThis.gc?.();
  const takeTurn = turnOf(row, runnable);
  const turnMs = row.overhead ? timed(takeTurn).ms : Math.min(...warmUp.map(({ ms }) => ms));
  return {
    answer: {
      ...{ type: 'ready', isa: runnable.isa, threads: runnable.threads, peakBytes, relativeError, turnMs },
      ...{ loss: warmUp[0]?.value, shareOfTolerance },
      ...(probabilities && { targetProbability: quantiles([...probabilities], [0.05, 0.25, 0.5, 0.75, 0.95]) }),
    },
    takeTurn,
  };
}

/** The memory of the first call, all that an earlier one has left set aside; and the calls of the warm-up. */
function firstCalls({ method }: LossRow, runnable: Runnable) {
  globalThis.gc?.();
  // The kernel keeps the workspace of the estimate, which would count as room.
  if (isOurs(method)) loadAddon().releaseWorkspace();
  const peakMemory = watchPeakMemory();
  const first = timed(() => runnable.call());
  const peakBytes = peakMemory();
  globalThis.gc?.();
  const others = Array.from({ length: WARM_UP_CALLS - 1 }, () => timed(() => runnable.call()));
  globalThis.gc?.();
  return { peakBytes, warmUp: [first, ...others] };
}

async function callMs(row: LossRow): Promise<number> {
  const runnable = await prepare(row, makeProblem(row));
  return Math.min(...[1, 2, 3].map(() => timed(() => runnable.call()).ms));
}

/** What a call may leave behind, in bytes: the results and a matrix of logits. */
const LITTLE_GARBAGE = 2 ** 24;

/** One call; what a large one has left is collected after it, so that all rows fit into memory beside each other. */
function turnOf(row: LossRow, runnable: Runnable): () => number {
  if (row.overhead) return () => meanOfMany(runnable);
  const isLarge = resultBytes(row) + 4 * row.batch * row.classes > LITTLE_GARBAGE;
  return () => {
    const { ms } = timed(() => runnable.call());
    if (isLarge) globalThis.gc?.();
    return ms;
  };
}

function timed<T>(run: () => T): { ms: number; value: T } {
  const start = performance.now();
  const value = run();
  return { ms: performance.now() - start, value };
}

/** Milliseconds of a call too short for the clock: the median over loops, whose length Benchmark.js finds. */
function meanOfMany(runnable: Runnable): number {
  const benchmark = new Benchmark(() => runnable.call(), { minTime: 0.005, maxTime: 0.05, minSamples: 5 });
  benchmark.run();
  // Benchmark.js keeps what a run throws, and would give figures of no calls.
  if (benchmark.error) throw benchmark.error;
  return medianAndSpread(benchmark.stats.sample).median * 1000;
}
