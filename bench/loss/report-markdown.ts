import type { LossReport } from './report.js';
import { type ReportTable, reportGaps, reportTables } from './report-tables.js';

/** A report as a page of the documentation. */
export function reportMarkdown(report: LossReport): string {
  const { machine, measured } = report;
  const memory = `${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB`;
  const load = machine.loadAverage === null ? '' : `; load average ${machine.loadAverage.toFixed(2)} before the run`;
  const gaps = reportGaps(report).map((gap) => `- ${gap}`);
  const parts = [
    '# The loss step, measured',
    'Written by a run of the benchmark; change the benchmark, not this page. What each row is: ' +
      '[bench/README.md](../../bench/README.md).',
    `\`\`\`\n${report.command}\n\`\`\``,
    [
      '| | |',
      '|---|---|',
      `| machine | ${machine.cpu}, ${machine.processors} processors, ${memory}${load} |`,
      `| system | ${machine.os}, node ${machine.node} |`,
      `| commit | ${report.commit} |`,
      `| date | ${report.date.slice(0, 10)} |`,
    ].join('\n'),
    ...reportTables(report).map(tableMarkdown),
    ...(gaps.length > 0 ? [['## Not measured', '', ...gaps].join('\n')] : []),
    [
      '## How',
      '',
      `- **median, IQR**: ${measured.time}.`,
      `- **peak memory**: ${measured.peakBytes}.`,
      `- **error**: ${measured.relativeError}.`,
      '- **GFLOP/s**: 6NCD flops for loss and gradients, 2NCD for the loss alone, by the median.',
      '- **vs native**: the time of the row by that of this package on the same backend.',
      `- **data**: ${measured.data}.`,
    ].join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function tableMarkdown({ title, columns, rows, firstNumber }: ReportTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, at) => (at < firstNumber ? '---' : '---:'));
  return [`## ${title}`, '', line(columns), line(rule), ...rows.map(line)].join('\n');
}
