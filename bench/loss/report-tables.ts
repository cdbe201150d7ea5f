import type { LossReport, LossReportRow } from './report.js';
import type { Shape } from './rows.js';

/** A table of figures, ready to be set as text or Markdown. */
export interface ReportTable {
  title: string;
  columns: string[];
  /** Columns from this one on hold numbers. */
  firstNumber: number;
  rows: string[][];
}

const MIB = 2 ** 20;

/** Every table of a report: what was measured, shape by shape, what the machine can do, and the goals. */
export function reportTables(report: LossReport): ReportTable[] {
  return [...shapeTables(report), ...ratesTable(report), ...goalsTable(report)];
}

/**
 * One table for each shape. `vs native` says how many times as long a row takes as the kernel on the same backend (a
 * peer's: as the typed-array API), for the same results and with all threads.
 */
function shapeTables(report: LossReport): ReportTable[] {
  const titles = new Set(report.rows.map(titleOf));
  const measured = ['median', 'IQR', 'GFLOP/s', 'of peak', 'peak memory', 'beyond results', 'error', 'vs native'];
  return [...titles].map((title) => {
    const rows = report.rows.filter((row) => titleOf(row) === title);
    return {
      title,
      columns: ['backend', 'what', 'computed by', 'threads', ...measured],
      firstNumber: 3,
      rows: rows.map((row) => [
        ...[row.backend, row.name, row.isa, String(row.threads), duration(row.medianMs), duration(row.spreadMs)],
        ...[row.gflops.toPrecision(3), percent(row.shareOfPeak), mebibytes(row.peakBytes), mebibytes(row.beyondBytes)],
        ...[row.relativeError.toExponential(1), timesNative(row, rows)],
      ]),
    };
  });
}

function ratesTable({ rates }: LossReport): ReportTable[] {
  if (rates.fma.length === 0) return [];
  const rows = rates.fma
    .toSorted((a, b) => a.gflops - b.gflops)
    .map((rate) => [
      ...[`multiply-adds, ${rate.isa}${rate.precision === 'fp32' ? '' : `, ${rate.precision}`}`, String(rate.threads)],
      ...[`${rate.gflops.toPrecision(4)} GFLOP/s`, `${rate.spread.toPrecision(2)} GFLOP/s`],
    ]);
  const memory = rates.memoryBytesPerSecond;
  return [
    {
      title: 'What the machine can do',
      columns: ['what', 'threads', 'median', 'IQR'],
      firstNumber: 1,
      rows: [
        ...rows,
        ...(memory === null ? [] : [['memory (triad)', 'all', `${(memory / 1e9).toPrecision(3)} GB/s`, '']]),
      ],
    },
  ];
}

function goalsTable({ goals }: LossReport): ReportTable[] {
  if (goals.length === 0) return [];
  return [
    {
      title: 'Goals',
      columns: ['what', 'from', 'met', 'goal', 'measured'],
      firstNumber: 3,
      rows: goals.map(({ what, from, met, goal, measured }) => [
        ...[what, from, met ? 'yes' : 'NO', goal, measured.toPrecision(3)],
      ]),
    },
  ];
}

export function titleOf({ batch, classes, dim }: Shape): string {
  const count = (n: number) => n.toLocaleString('en-US');
  return `N = ${count(batch)}, C = ${count(classes)}, D = ${count(dim)}`;
}

function duration(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toPrecision(3)} us`;
  return ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`;
}

function percent(share: number | null): string {
  return share === null ? '' : `${(100 * share).toPrecision(3)} %`;
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? '' : `${(bytes / MIB).toFixed(1)} MiB`;
}

function timesNative(row: LossReportRow, rows: readonly LossReportRow[]): string {
  const backend = row.backend === 'pytorch' ? 'native' : row.backend;
  const isKernel = (other: LossReportRow) =>
    other.method === 'native' && other.backend === backend && other.pass === row.pass;
  // The first such row is that of the best instruction set and all threads: suites.ts.
  const native = rows.find(isKernel);
  return native ? `${(row.medianMs / native.medianMs).toFixed(2)} x` : '';
}

/** What could not be measured, a line each, failures first. */
export function reportGaps({ failed, skipped }: LossReport): string[] {
  const line = (kind: string) => (gap: LossReport['skipped'][number]) => {
    const [reason] = gap.reason.split('\n');
    return `${kind}: ${gap.backend} ${gap.name}, ${titleOf(gap)}: ${reason}`;
  };
  return [...failed.map(line('FAILED')), ...skipped.map(line('skipped'))];
}

/** How confident the batches were, a line for each state and shape. */
export function reportConfidence({ rows }: LossReport): string[] {
  const lines = rows.flatMap(({ targetProbability, state, ...shape }) => {
    if (!targetProbability) return [];
    const shares = targetProbability.map((p) => (p > 0.99 ? `1 - ${(1 - p).toExponential(1)}` : p.toPrecision(2)));
    return [`${state} state, ${titleOf(shape)}: ${shares.join(', ')}`];
  });
  return [...new Set(lines)];
}
