import type { LossReport } from './report.js';
import { type ReportTable, reportConfidence, reportGaps, reportTables } from './report-tables.js';

/** A picture of a report: its file beside the page, and what it shows. */
export interface PagePicture {
  file: string;
  title: string;
}

/** A report as a page of the documentation. */
export function reportMarkdown(report: LossReport, pictures: readonly PagePicture[] = []): string {
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
    ...pictures.map(({ file, title }) => `![${title}](${file})`),
    ...reportTables(report).map(tableMarkdown),
    ...(gaps.length > 0 ? [['## Not measured', '', ...gaps].join('\n')] : []),
    [
      '## How',
      '',
      `- **median, IQR**: ${measured.time}.`,
      `- **GFLOP/s, of peak**: ${measured.peak}.`,
      `- **peak memory**: ${measured.peakBytes}. **beyond results**: less the results of the call.`,
      `- **error**: ${measured.relativeError}.`,
      '- **vs native**: the time of the row by that of this package on the same backend; of a peer, by that of the ' +
        'typed-array API.',
      `- **data**: ${measured.data}.`,
      ...confidenceItem(report),
    ].join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function confidenceItem(report: LossReport): string[] {
  const lines = reportConfidence(report);
  if (lines.length === 0) return [];
  return [`- **p_y** with the margin, percentiles 5, 25, 50, 75 and 95: ${lines.join('; ')}.`];
}

function tableMarkdown({ title, columns, rows, firstNumber }: ReportTable): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, at) => (at < firstNumber ? '---' : '---:'));
  return [`## ${title}`, '', line(columns), line(rule), ...rows.map(line)].join('\n');
}
