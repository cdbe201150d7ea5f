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

/**
 * The tables of a report, one for each shape. `vs native` says how many times as long a row takes as the kernel on the
 * same backend, for the same results and with all threads.
 */
export function reportTables(report: LossReport): ReportTable[] {
  const shapes = new Map(report.rows.map((row) => [titleOf(row), row]));
  return [...shapes.keys()].map((title) => {
    const rows = report.rows.filter((row) => titleOf(row) === title);
    return {
      title,
      columns: [
        'backend',
        'what',
        'computed by',
        'threads',
        'median',
        'IQR',
        'GFLOP/s',
        'peak memory',
        'error',
        'vs native',
      ],
      firstNumber: 3,
      rows: rows.map((row) => [
        ...[row.backend, row.name, row.isa, String(row.threads), duration(row.medianMs), duration(row.spreadMs)],
        ...[row.gflops.toPrecision(3), `${(row.peakBytes / MIB).toFixed(1)} MiB`, row.relativeError.toExponential(1)],
        timesNative(row, rows),
      ]),
    };
  });
}

function titleOf({ batch, classes, dim }: Shape): string {
  const count = (n: number) => n.toLocaleString('en-US');
  return `N = ${count(batch)}, C = ${count(classes)}, D = ${count(dim)}`;
}

function duration(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toPrecision(3)} us`;
  return ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`;
}

function timesNative(row: LossReportRow, rows: readonly LossReportRow[]): string {
  const isPeer = (other: LossReportRow) =>
    other.method === 'native' && other.backend === row.backend && other.pass === row.pass;
  // The first such row is that of the best instruction set and all threads; see lossRows.
  const native = rows.find(isPeer);
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
