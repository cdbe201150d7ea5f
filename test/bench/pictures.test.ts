import { expect, test } from 'vitest';
import { reportPictures } from '../../bench/loss/pictures.js';
import type { LossReport, LossReportRow } from '../../bench/loss/report.js';

const row: LossReportRow = {
  ...{ name: 'native gradients', backend: 'native', method: 'native', pass: 'gradients', isa: 'avx2', threads: 2 },
  ...{ precision: 'fp32', workspaceBytes: null, gradientTolerance: 0, results: 'new', state: 'middle' },
  ...{ batch: 512, classes: 10575, dim: 512, medianMs: 80, spreadMs: 0.5, repeats: 9, gflops: 200, malloc: 'default' },
  ...{ peakBytes: 3 * 2 ** 20, beyondBytes: 2 ** 20, shareOfPeak: 0.876, relativeError: 2e-7 },
};
const large: LossReportRow = { ...row, classes: 100_000, medianMs: 800 };

function reportOf(rows: LossReportRow[], isas: string[] = ['avx2']): LossReport {
  return {
    machine: { cpu: 'Some CPU', processors: 2, memoryBytes: 8e9, os: 'linux', node: '20', loadAverage: 0 },
    ...{ commit: 'abc', date: '2026-01-02T03:04:05.000Z', command: 'npx', goals: [], skipped: [], failed: [], rows },
    measured: { time: '', peak: '', peakBytes: '', relativeError: '', data: '' },
    rates: {
      fma: isas.map((isa) => ({ isa, precision: 'fp32', threads: 2, gflops: 230, spread: 1, bursts: 5 })),
      memoryBytesPerSecond: isas.length === 0 ? null : 4e10,
    },
  };
}

const keys = (report: LossReport) => reportPictures(report).map(({ key }) => key);
const svgOf = (report: LossReport, key: string) => reportPictures(report).find((picture) => picture.key === key)?.svg;

test('curves need two numbers of classes, the roofline a binary', () => {
  expect(keys(reportOf([row, large]))).toEqual(['time', 'memory', 'roofline']);
  expect(keys(reportOf([row]))).toEqual(['roofline']);
  expect(keys(reportOf([row, large], []))).toEqual(['time', 'memory']);
  expect(
    keys(
      reportOf(
        [
          { ...row, batch: 32 },
          { ...large, batch: 32 },
        ],
        [],
      ),
    ),
  ).toEqual([]);
});

test('a curve is of the best instruction set and all threads: the first of its rows', () => {
  const slow = { isa: 'scalar', medianMs: 5000 };
  const alone = svgOf(reportOf([row, large]), 'time');
  expect(svgOf(reportOf([row, large, { ...row, ...slow }, { ...large, ...slow }]), 'time')).toBe(alone);
  expect(alone?.match(/<circle/g)).toHaveLength(2);
});

test('every peer that was measured has a curve, and a row of nothing beyond results is drawn as the least', () => {
  const eager = {
    backend: 'pytorch',
    method: 'eager',
    name: 'eager gradients, tuned malloc',
    malloc: 'tuned',
  } as const;
  const rows = [row, { ...large, beyondBytes: 0 }, { ...row, ...eager }, { ...large, ...eager, beyondBytes: 2 ** 30 }];
  expect(svgOf(reportOf(rows), 'time')).toContain('>PyTorch eager, tuned malloc</text>');
  expect(svgOf(reportOf(rows), 'memory')).not.toMatch(/NaN|Infinity/);
});

test('the roofline has a roof for each instruction set', () => {
  const svg = svgOf(reportOf([row], ['scalar', 'avx2']), 'roofline');
  expect(svg).toContain('>scalar: 230 GFLOP/s</text>');
  expect(svg).toContain('>avx2: 230 GFLOP/s</text>');
  expect(svg).toContain('memory 40 GB/s');
});
