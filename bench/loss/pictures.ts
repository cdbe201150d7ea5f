import { type ChartSeries, drawChart } from '../../src/charts/chart.js';
import type { LossReport, LossReportRow } from './report.js';
import { flopsOf, type Shape } from './rows.js';

/** A picture of a report. */
export interface Picture {
  /** For the end of a file's name. */
  key: 'time' | 'memory' | 'roofline';
  title: string;
  svg: string;
}

/** The batch of the pictures over C. */
const BATCH = 512;
/** Below this nothing can be told from nothing, nor drawn on a logarithmic axis. */
const LEAST_MIB = 1;

/** What is drawn over C, by backend and name, in the order of the legend's colours. */
const CURVES: ReadonlyArray<readonly [backend: LossReportRow['backend'], name: string, label: string]> = [
  ['native', 'native gradients', 'cosface'],
  ['native', 'native gradients, budget 0, in place', 'cosface, nothing kept'],
  ['tensorflow', 'matmuls gradients', 'three bare products (tfjs-node)'],
  ['tensorflow', 'plain gradients', 'the plain way (tfjs-node)'],
  ['tensorflow', 'composed gradients', 'cosface, ops alone (tfjs-node)'],
  ['pytorch', 'eager gradients, tuned malloc', 'PyTorch eager, tuned malloc'],
  ['pytorch', 'compile gradients, tuned malloc', 'PyTorch compile, tuned malloc'],
  ['pytorch', 'metric-learning gradients, tuned malloc', 'pytorch-metric-learning, tuned malloc'],
];

/** The pictures that the rows of a report give: time and memory against C where there are several, and the roofline. */
export function reportPictures(report: LossReport): Picture[] {
  const note = `${report.machine.cpu}, ${report.machine.processors} processors; commit ${report.commit}, ${report.date.slice(0, 10)}`;
  return [
    ...againstClasses(report, {
      ...{ key: 'time', title: `Loss and both gradients, N = ${BATCH}, D = 512`, y: 'milliseconds a step', note },
      value: ({ medianMs }) => medianMs,
    }),
    ...againstClasses(report, {
      ...{ key: 'memory', title: `Memory beyond inputs and results, N = ${BATCH}, D = 512`, y: 'MiB', note },
      value: ({ beyondBytes }) => (beyondBytes === null ? undefined : Math.max(LEAST_MIB, beyondBytes / 2 ** 20)),
    }),
    ...roofline(report, note),
  ];
}

interface AgainstClasses {
  key: 'time' | 'memory';
  title: string;
  y: string;
  note: string;
  value: (row: LossReportRow) => number | undefined;
}

function againstClasses({ rows }: LossReport, { key, title, y, note, value }: AgainstClasses): Picture[] {
  const usual = usualRows(rows).filter(({ batch, dim }) => batch === BATCH && dim === 512);
  const series = CURVES.flatMap(([backend, name, label]): ChartSeries[] => {
    const points = usual
      .filter((row) => row.backend === backend && row.name === name)
      .flatMap((row): Array<[number, number]> => {
        const at = value(row);
        return at === undefined ? [] : [[row.classes, at]];
      })
      .sort(([a], [b]) => a - b);
    return points.length < 2 ? [] : [{ name: label, points, kind: 'curve' }];
  });
  if (series.length === 0) return [];
  return [{ key, title, svg: drawChart({ title, x: 'classes, C', y, series, note }) }];
}

/** Of rows that differ in instruction set or threads, the first: that of the best and of all. */
function usualRows(rows: readonly LossReportRow[]): LossReportRow[] {
  const keyOf = ({ backend, name, batch, classes, dim }: LossReportRow) => [backend, name, batch, classes, dim].join();
  return rows.filter((row) => rows.find((other) => keyOf(other) === keyOf(row)) === row);
}

function roofline({ rows, rates }: LossReport, note: string): Picture[] {
  const most = Math.max(0, ...rates.fma.map(({ threads }) => threads));
  const bandwidth = rates.memoryBytesPerSecond;
  const points = usualRows(rows).filter(({ batch, pass }) => batch > 4 && pass === 'gradients');
  if (bandwidth === null || points.length === 0) return [];
  const [left, right] = [1, Math.max(...points.map(intensity)) * 1.5];
  const roofs = rates.fma
    .filter(({ threads }) => threads === most)
    .map(({ isa, precision, gflops }): ChartSeries => {
      const ridge = (gflops * 1e9) / bandwidth;
      const name = `${isa}${precision === 'fp32' ? '' : `, ${precision}`}: ${Math.round(gflops)} GFLOP/s`;
      return {
        name,
        kind: 'roof',
        points: [
          [left, left * (bandwidth / 1e9)],
          [ridge, gflops],
          [right, gflops],
        ],
      };
    });
  const groups: ReadonlyArray<readonly [string, (row: LossReportRow) => boolean]> = [
    ['cosface, fp32', (row) => isOurs(row) && row.precision === 'fp32' && row.workspaceBytes === null],
    ['cosface, bf16', (row) => isOurs(row) && row.precision === 'bf16'],
    ['bare products (tfjs-node)', (row) => row.backend === 'tensorflow' && row.method === 'matmuls'],
    ['PyTorch, tuned malloc', (row) => row.backend === 'pytorch' && row.malloc === 'tuned'],
    ['the plain way (tfjs-node)', (row) => row.backend === 'tensorflow' && row.method === 'plain'],
  ];
  const clouds = groups.flatMap(([name, belongs]): ChartSeries[] => {
    const cloud = points
      .filter(belongs)
      .map((row): [number, number] => [intensity(row), row.gflops])
      .sort(([a], [b]) => a - b);
    return cloud.length === 0 ? [] : [{ name, points: cloud, kind: 'dots' }];
  });
  const title = `Roofline, ${most} threads, memory ${(bandwidth / 1e9).toFixed(0)} GB/s`;
  const x = 'flops a byte that has to move (inputs read and results written once)';
  return [{ key: 'roofline', title, svg: drawChart({ title, x, y: 'GFLOP/s', series: [...clouds, ...roofs], note }) }];
}

function isOurs({ backend, method, gradientTolerance, state }: LossReportRow): boolean {
  return backend === 'native' && method === 'native' && gradientTolerance === 0 && state === 'middle';
}

/** Useful flops by the bytes of x, w, dx and dw. */
function intensity(row: Shape & Pick<LossReportRow, 'pass'>): number {
  return flopsOf(row) / (8 * (row.batch + row.classes) * row.dim);
}
