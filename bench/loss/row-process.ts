import Benchmark from 'benchmark';
import { CosFaceError } from '../../src/native/errors.js';
import { watchPeakMemory } from '../peak-memory.js';
import { medianAndSpread } from '../statistics.js';
import { type Runnable, UnavailableError } from './method.js';
import { prepare } from './prepare.js';
import { makeProblem } from './problem.js';
import { type RowAnswer, type RowRequest, WARM_UP_CALLS } from './row-answers.js';
import { flopsOf, type LossRow, TINY } from './rows.js';

/**
 * One row's process: it prepares when asked, then makes one measurement for each turn. A process for each row, because
 * peak memory belongs to a process, and so that no row runs on the heap, the compiled code or the allocator of another.
 */
export function runRowProcess(): void {
  let takeTurn: (() => number) | undefined;
  process.on('disconnect', () => process.exit());
  process.on('message', async (request: RowRequest) => {
    try {
      if (request.type === 'turn') return answer({ type: 'turn', callMs: (takeTurn as () => number)() });
      const prepared = await prepareRow(request.row, request.limitMs);
      if (prepared.answer.type === 'ready') takeTurn = prepared.takeTurn;
      answer(prepared.answer);
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

async function prepareRow(row: LossRow, limitMs: number): Promise<{ answer: RowAnswer; takeTurn: () => number }> {
  const estimateMs = await estimateCall(row);
  if (estimateMs > limitMs) {
    const estimate = (estimateMs / 1000).toFixed(1);
    const reason = `a call would take about ${estimate} s, more than the limit of ${limitMs / 1000} s (--limit)`;
    return { answer: { type: 'skipped', reason }, takeTurn: () => Number.NaN };
  }
  const runnable = await prepare(row, makeProblem(row));
  globalThis.gc?.();
  const peakMemory = watchPeakMemory();
  const warmUp = Array.from({ length: WARM_UP_CALLS }, () => timed(() => runnable.call()));
  const peakBytes = peakMemory();
  const relativeError = runnable.relativeError();
  const takeTurn = row.overhead ? () => meanOfMany(runnable) : () => timed(() => runnable.call()).ms;
  const turnMs = row.overhead ? timed(takeTurn).ms : Math.min(...warmUp.map(({ ms }) => ms));
  const { isa, threads } = runnable;
  const loss = warmUp[0]?.value;
  return { answer: { type: 'ready', isa, threads, peakBytes, relativeError, loss, turnMs }, takeTurn };
}

/**
 * What a call of a row will take: the cost of calling, from a tiny shape, and that of computing, from a 64th of the
 * row. That also loads the code and starts the threads, which must not count as memory of the row.
 */
async function estimateCall(row: LossRow): Promise<number> {
  const calling = await callMs({ ...row, ...TINY });
  const smaller = { ...row, batch: Math.ceil(row.batch / 4), classes: Math.max(2, Math.ceil(row.classes / 16)) };
  const computing = Math.max(0, (await callMs(smaller)) - calling);
  return calling + (computing * flopsOf(row)) / flopsOf(smaller);
}

async function callMs(row: LossRow): Promise<number> {
  const runnable = await prepare(row, makeProblem(row));
  return Math.min(...[1, 2, 3].map(() => timed(() => runnable.call()).ms));
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
