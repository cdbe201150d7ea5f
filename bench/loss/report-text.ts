import type { LossReport } from './report.js';
import { type ReportTable, reportGaps, reportTables } from './report-tables.js';

/** A report for the terminal. */
export function reportText(report: LossReport): string {
  const { machine, commit } = report;
  const load = machine.loadAverage === null ? '' : `, load ${machine.loadAverage.toFixed(1)} before`;
  const head = `${machine.cpu}, ${machine.processors} processors${load}, node ${machine.node}, commit ${commit}`;
  const tables = reportTables(report).map(tableText);
  return [head, ...tables, ...reportGaps(report)].join('\n\n');
}

function tableText({ title, columns, rows, firstNumber }: ReportTable): string {
  const widths = columns.map((column, at) => Math.max(column.length, ...rows.map((row) => (row[at] as string).length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at < firstNumber ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number)))
      .join('  ')
      .trimEnd();
  return [title, line(columns), ...rows.map(line)].join('\n');
}
