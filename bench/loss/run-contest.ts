import { availableBytes } from '../memory-room.js';
import { medianAndSpread } from '../statistics.js';
import { planTurns } from '../turns.js';
import { faultOf } from './fault-of.js';
import type { RateMeter } from './machine-rates.js';
import { memoryNeed } from './memory-need.js';
import type { LossReportGap, LossReportRow } from './report.js';
import type { ReadyRow, RowAnswer } from './row-answers.js';
import { RowClient } from './row-client.js';
import { flopsOf, type LossRow, resultBytes } from './rows.js';
import type { Contest } from './suites.js';

export interface ContestSettings {
  /** A folder for the problems. */
  scratch: string;
  meter: RateMeter;
  seconds: number;
  limitSeconds: number;
  onProgress: (done: number, total: number, what: string) => void;
}

export interface ContestOutcome {
  rows: LossReportRow[];
  skipped: LossReportGap[];
  failed: LossReportGap[];
}

const TURN_LIMITS = { leastTurns: 5, mostTurns: 200, slowMs: 2000, leastSlowTurns: 3 };
/** A row that has more turns than this is through before a clock can drift. */
const MOST_PEAKS = 30;
/** Left to everything else on the machine. */
const SPARE_BYTES = 2 ** 30;

/** A row on its way through the measurement. */
interface Contestant {
  row: LossRow;
  /** None where the row was not begun. */
  client?: RowClient;
  outcome: RowAnswer;
  callsMs: number[];
  /** GFLOP/s of multiply-adds after each call. */
  peaks: number[];
}

type ReadyContestant = Contestant & { client: RowClient; outcome: ReadyRow };

/** Readies and checks every row of a contest, has them take turns, and ends their processes. */
export async function runContest(rows: Contest, settings: ContestSettings): Promise<ContestOutcome> {
  const contestants: Contestant[] = [];
  try {
    for (const row of rows) {
      settings.onProgress(contestants.length, rows.length, `checking ${row.backend} ${row.name}`);
      contestants.push(await enter(row, settings, contestants));
    }
    if (contestants.some(isReady)) {
      settings.meter.survey();
      await takeTurns(contestants, settings);
    }
  } finally {
    for (const { client } of contestants) client?.end();
  }
  return {
    rows: contestants.filter(isReady).map(reportRow),
    skipped: gaps(contestants, 'skipped'),
    failed: gaps(contestants, 'failed'),
  };
}

/** Starts a row's process and has it checked. It stays alive, idle, until its turns. */
async function enter(row: LossRow, settings: ContestSettings, earlier: readonly Contestant[]): Promise<Contestant> {
  const idle = { row, callsMs: [], peaks: [] };
  const tooLarge = lackOfMemory(row, earlier);
  if (tooLarge !== undefined) return { ...idle, outcome: { type: 'skipped', reason: tooLarge } };
  const client = RowClient.start(row);
  const { scratch, limitSeconds } = settings;
  const answer = await client.ask({ type: 'prepare', row, scratch, limitMs: limitSeconds * 1000 });
  const peers = earlier.filter(isReady).map((peer) => ({ row: peer.row, ready: peer.outcome }));
  const fault = answer.type === 'ready' ? faultOf({ row, ready: answer }, peers) : undefined;
  const outcome: RowAnswer = fault === undefined ? answer : { type: 'failed', reason: fault };
  if (outcome.type !== 'ready') client.end();
  return { ...idle, client, outcome };
}

/** Why a row must not be started beside those that are alive: what it needs, and what the largest of all calls needs. */
function lackOfMemory(row: LossRow, earlier: readonly Contestant[]): string | undefined {
  const calls = [row, ...earlier.filter(isReady).map((other) => other.row)].map((other) => memoryNeed(other).call);
  const needed = memoryNeed(row).idle + Math.max(...calls) + SPARE_BYTES;
  const available = availableBytes();
  if (needed <= available) return undefined;
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  return `needs about ${gib(needed)} GiB of memory beside the other rows, ${gib(available)} GiB are available`;
}

async function takeTurns(contestants: Contestant[], settings: ContestSettings): Promise<void> {
  const takers = contestants.filter(isReady).map(({ row, outcome }) => ({
    id: contestants.findIndex((other) => other.row === row),
    turnMs: outcome.turnMs,
  }));
  const turns = planTurns(takers, { budgetMs: settings.seconds * 1000, ...TURN_LIMITS }).flat();
  const total = contestants.length + turns.length;
  for (const [at, id] of turns.entries()) {
    const contestant = contestants[id] as Contestant;
    if (!isReady(contestant)) continue;
    settings.onProgress(contestants.length + at, total, `timing ${contestant.row.backend} ${contestant.row.name}`);
    await takeTurn(contestant, settings.meter);
  }
  settings.onProgress(total, total, 'done');
}

async function takeTurn(contestant: ReadyContestant, meter: RateMeter): Promise<void> {
  const { client, outcome, row, callsMs, peaks } = contestant;
  const answer = await client.ask({ type: 'turn' });
  if (answer.type !== 'turn') {
    Object.assign(contestant, { outcome: answer });
    return;
  }
  callsMs.push(answer.callMs);
  if (row.overhead || peaks.length === MOST_PEAKS) return;
  const peak = meter.burst(outcome.isa, outcome.threads);
  if (peak !== undefined) peaks.push(peak);
}

function isReady(contestant: Contestant): contestant is ReadyContestant {
  return contestant.outcome.type === 'ready';
}

function reportRow({ row, outcome, callsMs, peaks }: ReadyContestant): LossReportRow {
  const { name, backend, method, pass, batch, classes, dim, state, malloc } = row;
  const { precision, workspaceBytes, gradientTolerance, results } = row;
  const { isa, threads, peakBytes, relativeError, targetProbability } = outcome;
  const { median, spread } = medianAndSpread(callsMs);
  const gflops = flopsOf(row) / (median * 1e6);
  // Results that are there before the call are no part of its growth.
  const given = results === 'reused' ? 0 : resultBytes(row);
  return {
    ...{ name, backend, method, pass, batch, classes, dim, state, malloc },
    ...{ precision, workspaceBytes, gradientTolerance, results },
    ...{ isa, threads, medianMs: median, spreadMs: spread, repeats: callsMs.length, gflops },
    shareOfPeak: peaks.length === 0 ? null : gflops / medianAndSpread(peaks).median,
    ...{ peakBytes, beyondBytes: row.method === 'matmuls' ? null : Math.max(0, peakBytes - given), relativeError },
    ...(targetProbability && { targetProbability }),
  };
}

function gaps(contestants: readonly Contestant[], type: 'skipped' | 'failed'): LossReportGap[] {
  return contestants.flatMap(({ row, outcome }) => {
    if (outcome.type !== type) return [];
    const { name, backend, isa, threads, batch, classes, dim } = row;
    return [{ ...{ name, backend, isa, threads, batch, classes, dim }, reason: outcome.reason }];
  });
}
