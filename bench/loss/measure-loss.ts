import { backendInfo } from '../../src/native/backend-info.js';
import { currentCommit } from '../commit.js';
import { describeMachine } from '../machine.js';
import { peakMemoryMethod } from '../peak-memory.js';
import { medianAndSpread } from '../statistics.js';
import { planTurns } from '../turns.js';
import { faultOf } from './fault-of.js';
import { PROBLEM_DESCRIPTION } from './problem.js';
import type { LossReport, LossReportGap, LossReportRow } from './report.js';
import { type ReadyRow, type RowAnswer, WARM_UP_CALLS } from './row-answers.js';
import { RowClient } from './row-client.js';
import { type Backend, flopsOf, type LossRow, lossRows, type Shape } from './rows.js';

export interface MeasureLossOptions {
  shape: Shape;
  backends: readonly Backend[];
  /** For the timed turns of all rows together, about; every row gets at least `LEAST_TURNS` anyway. */
  seconds: number;
  /** Rows whose call takes longer are skipped. */
  limitSeconds: number;
  /** The command line that repeats this run, for the report. */
  command: string;
  /** Told after each step of the work; `total` grows once, when the turns are planned. */
  onProgress?: (done: number, total: number, what: string) => void;
}

const LEAST_TURNS = 5;
const MOST_TURNS = 200;

const TIME_METHOD =
  'one call a turn, all rows taking turns (odd rounds backwards); median and interquartile range; after ' +
  `${WARM_UP_CALLS} calls of warm-up. Of calls shorter than the clock, the median over loops of Benchmark.js`;

const ERROR_METHOD =
  'the largest of the relative L2 errors of mean loss, dEmbeddings and dWeights against double precision in ' +
  'JavaScript, in a call of full size in which as many samples weigh 1 as 0.5 GFLOP can check (all where they can, else ' +
  'evenly spread; the others weigh 0). matmuls: of the first two products, in the rows of those samples';

/** A row on its way through the measurement. */
interface Contestant {
  row: LossRow;
  client: RowClient;
  outcome: RowAnswer;
  callsMs: number[];
}

/**
 * Measures the loss step on every backend there is: checks each row against double precision, warms it up, then times
 * all of them in turns, one call at a time.
 */
export async function measureLoss(options: MeasureLossOptions): Promise<LossReport> {
  const machine = describeMachine();
  const date = new Date().toISOString();
  const rows = lossRows(options.shape, options.backends, backendInfo());
  const contestants: Contestant[] = [];
  try {
    for (const row of rows) {
      options.onProgress?.(contestants.length, rows.length, `checking ${row.backend} ${row.name}`);
      contestants.push(await enter(row, options.limitSeconds, contestants));
    }
    await takeTurns(contestants, options);
  } finally {
    for (const { client } of contestants) client.end();
  }
  const measured = {
    time: TIME_METHOD,
    peakBytes: `${peakMemoryMethod()}, over the first ${WARM_UP_CALLS} calls, in a process for each row that holds its inputs`,
    relativeError: ERROR_METHOD,
    data: PROBLEM_DESCRIPTION,
  };
  return {
    ...{ machine, commit: currentCommit(), date, command: options.command, measured },
    rows: contestants.filter(isReady).map(reportRow),
    skipped: gaps(contestants, 'skipped'),
    failed: gaps(contestants, 'failed'),
  };
}

/** Starts a row's process and has it checked. It stays alive, idle, until its turns. */
async function enter(row: LossRow, limitSeconds: number, earlier: readonly Contestant[]): Promise<Contestant> {
  const client = RowClient.start(row);
  const answer = await client.ask({ type: 'prepare', row, limitMs: limitSeconds * 1000 });
  const peers = earlier.filter(isReady).map((peer) => ({ row: peer.row, ready: peer.outcome }));
  const fault = answer.type === 'ready' ? faultOf({ row, ready: answer }, peers) : undefined;
  const outcome: RowAnswer = fault === undefined ? answer : { type: 'failed', reason: fault };
  if (outcome.type !== 'ready') client.end();
  return { row, client, outcome, callsMs: [] };
}

async function takeTurns(contestants: Contestant[], { seconds, onProgress }: MeasureLossOptions): Promise<void> {
  const takers = contestants.filter(isReady).map(({ row, outcome }) => ({
    id: contestants.findIndex((other) => other.row === row),
    turnMs: outcome.turnMs,
  }));
  const limits = { budgetMs: seconds * 1000, leastTurns: LEAST_TURNS, mostTurns: MOST_TURNS };
  const turns = planTurns(takers, limits).flat();
  const total = contestants.length + turns.length;
  for (const [at, id] of turns.entries()) {
    const contestant = contestants[id] as Contestant;
    if (contestant.outcome.type !== 'ready') continue;
    onProgress?.(contestants.length + at, total, `timing ${contestant.row.backend} ${contestant.row.name}`);
    const answer = await contestant.client.ask({ type: 'turn' });
    if (answer.type === 'turn') contestant.callsMs.push(answer.callMs);
    else contestant.outcome = answer;
  }
  onProgress?.(total, total, 'done');
}

type ReadyContestant = Contestant & { outcome: ReadyRow };

function isReady(contestant: Contestant): contestant is ReadyContestant {
  return contestant.outcome.type === 'ready';
}

function reportRow({ row, outcome, callsMs }: ReadyContestant): LossReportRow {
  const { name, backend, method, pass, batch, classes, dim } = row;
  const { isa, threads, peakBytes, relativeError } = outcome;
  const { median, spread } = medianAndSpread(callsMs);
  return {
    ...{ name, backend, method, pass, isa, threads, batch, classes, dim },
    ...{ medianMs: median, spreadMs: spread, repeats: callsMs.length },
    ...{ gflops: flopsOf(row) / (median * 1e6), peakBytes, relativeError },
  };
}

function gaps(contestants: readonly Contestant[], type: 'skipped' | 'failed'): LossReportGap[] {
  return contestants.flatMap(({ row, outcome }) => {
    if (outcome.type !== type) return [];
    const { name, backend, isa, threads, batch, classes, dim } = row;
    return [{ ...{ name, backend, isa, threads, batch, classes, dim }, reason: outcome.reason }];
  });
}
