import { expect, test } from 'vitest';
import { goalsOf } from '../../bench/loss/goals.js';
import type { LossReport, LossReportGap, LossReportRow } from '../../bench/loss/report.js';
import { reportMarkdown } from '../../bench/loss/report-markdown.js';
import { reportText } from '../../bench/loss/report-text.js';

const native: LossReportRow = {
  ...{ name: 'native gradients', backend: 'wasm', method: 'native', pass: 'gradients', isa: 'avx2', threads: 2 },
  ...{ precision: 'fp32', workspaceBytes: null, gradientTolerance: 0, results: 'new', state: 'middle' },
  ...{
    batch: 512,
    classes: 10575,
    dim: 512,
    medianMs: 80,
    spreadMs: 0.5,
    repeats: 9,
    gflops: 207.9,
    malloc: 'default',
  },
  ...{ peakBytes: 3 * 2 ** 20, beyondBytes: 2 ** 20, shareOfPeak: 0.876, relativeError: 2e-7 },
};
const plain: LossReportRow = { ...native, name: 'plain gradients', method: 'plain', isa: 'wasm-simd', medianMs: 3400 };
const gap: LossReportGap = {
  ...{ name: 'plain gradients', backend: 'cpu', isa: 'auto', threads: 'all', batch: 1, classes: 2, dim: 3 },
  reason: 'slow\nx',
};
const report: LossReport = {
  machine: { cpu: 'Some CPU', processors: 2, memoryBytes: 8e9, os: 'linux x64 6', node: '20.0.0', loadAverage: 0.25 },
  ...{ commit: 'abc', date: '2026-01-02T03:04:05.000Z', command: 'npx cosface bench loss' },
  measured: { time: 'T', peak: 'F', peakBytes: 'P', relativeError: 'E', data: 'D' },
  rates: {
    fma: [
      { isa: 'avx2', precision: 'fp32', threads: 2, gflops: 237.25, spread: 1.25, bursts: 9 },
      { isa: 'avx512_bf16', precision: 'bf16', threads: 1, gflops: 100, spread: 1, bursts: 5 },
    ],
    memoryBytesPerSecond: 36.7e9,
  },
  goals: [{ what: 'speed', goal: '>= 2', measured: 1.9, met: false, from: 'a by b' }],
  rows: [
    native,
    plain,
    { ...plain, backend: 'tensorflow' },
    { ...native, backend: 'native', medianMs: 40, targetProbability: [0.1, 0.5, 0.9, 0.9999, 1] },
    { ...plain, backend: 'pytorch', name: 'eager gradients', method: 'eager', medianMs: 120 },
    {
      ...plain,
      backend: 'pytorch',
      name: 'matmuls gradients',
      method: 'matmuls',
      beyondBytes: null,
      shareOfPeak: null,
    },
    { ...native, backend: 'cpu', classes: 3, batch: 4, dim: 8, medianMs: 0.0123, shareOfPeak: null },
  ],
  skipped: [gap],
  failed: [{ ...gap, name: 'composed gradients', threads: 1, reason: 'wrong' }],
};

test('the text has one table a shape, ratios to the kernel, and what is missing', () => {
  const text = reportText(report);
  expect(text.match(/^N = .*$/gm)).toEqual(['N = 512, C = 10,575, D = 512', 'N = 4, C = 3, D = 8']);
  expect(text).toMatch(
    /^wasm +native gradients +avx2 +2 +80.0 ms +500 us +208 +87.6 % +3.0 MiB +1.0 MiB +2.0e-7 +1.00 x$/m,
  );
  expect(text).toMatch(/^wasm +plain gradients +wasm-simd +2 +3.40 s .* 42.50 x$/m);
  // No kernel on that backend to compare with.
  expect(text).toMatch(/^tensorflow +plain gradients .* 2.0e-7$/m);
  // A peer has none either, and is compared with the typed-array API.
  expect(text).toMatch(/^pytorch +eager gradients .* 3.00 x$/m);
  expect(text).toMatch(/^cpu +native gradients +avx2 +2 +12.3 us/m);
  expect(text).toMatch(/^FAILED: cpu composed gradients, N = 1, C = 2, D = 3: wrong$/m);
  expect(text).toMatch(/^skipped: cpu plain gradients, N = 1, C = 2, D = 3: slow$/m);
});

test('the text has the roofs of the machine and the goals', () => {
  const text = reportText(report);
  expect(text).toMatch(/^multiply-adds, avx512_bf16, bf16 +1 +100.0 GFLOP\/s +1.0 GFLOP\/s$/m);
  expect(text).toMatch(/^multiply-adds, avx2 +2 +237.3 GFLOP\/s +1.3 GFLOP\/s$/m);
  expect(text).toMatch(/^memory \(triad\) +all +36.7 GB\/s$/m);
  expect(text).toMatch(/^speed +a by b +NO +>= 2 +1.90$/m);
});

test('the page carries machine, commit, date, command, figures and how they came about', () => {
  const page = reportMarkdown(report, [{ file: 'loss-time.svg', title: 'Time' }]);
  for (const part of ['Some CPU, 2 processors', 'load average 0.25', '| abc |', '2026-01-02', 'npx cosface bench loss'])
    expect(page).toContain(part);
  expect(page).toMatch(/^\| wasm \| plain gradients \| wasm-simd \| 2 \| 3.40 s .*\| 42.50 x \|$/m);
  expect(page).toMatch(/^- skipped: cpu plain gradients/m);
  expect(page).toContain('![Time](loss-time.svg)');
  expect(page).toContain('middle state, N = 512, C = 10,575, D = 512: 0.10, 0.50, 0.90, 1 - 1.0e-4, 1 - 0.0e+0');
  for (const how of ['T', 'F', 'D']) expect(page).toMatch(new RegExp(`\\*\\*: ${how}\\.$`, 'm'));
});

test('goals: each from the rows of its shape, met or not', () => {
  const ours: LossReportRow = { ...native, backend: 'native', medianMs: 50, beyondBytes: 4e6 };
  const eager: LossReportRow = { ...ours, backend: 'pytorch', method: 'eager', medianMs: 100, beyondBytes: 64e6 };
  const rows: LossReportRow[] = [
    ours,
    { ...ours, results: 'reused', shareOfPeak: 0.9, beyondBytes: 65 * 2 ** 20 },
    { ...ours, results: 'reused', precision: 'bf16', medianMs: 25 },
    { ...ours, isa: 'scalar', medianMs: 1 },
    { ...ours, threads: 1, medianMs: 90 },
    eager,
    { ...eager, method: 'compile', medianMs: 60, beyondBytes: 16e6 },
    { ...eager, malloc: 'tuned', medianMs: 75 },
  ];
  const goals = goalsOf(rows).map(({ what, goal, measured, met }) => [
    what,
    goal,
    Number(measured.toPrecision(4)),
    met,
  ]);
  expect(goals).toEqual([
    ['share of the FMA peak, 512 x 10,575, results in place', '>= 0.87', 0.9, true],
    ['MiB beyond inputs and outputs, 512 x 10,575', '<= 64', 65, false],
    ['share of the FMA peak, 512 x 10,575, results allocated in the call', '>= 0.87', 0.876, true],
    ['times as fast as PyTorch eager or compile, 512 x 10,575, tuned malloc', '>= 1.35', 1.5, true],
    ["memory beyond inputs and outputs by PyTorch's, 512 x 10,575, tuned malloc", '<= 0.125', 0.0625, true],
    // The faster of the two, which here is compile.
    ['times as fast as PyTorch eager or compile, 512 x 10,575, as installed', '>= 1.4', 1.2, false],
    ["memory beyond inputs and outputs by PyTorch's, 512 x 10,575, as installed", '<= 0.125', 0.25, false],
    ['bf16 operands, times as fast as fp32, 512 x 10,575', '>= 1.8', 2, true],
    ['2 threads, times as fast as 1, 512 x 10,575', '>= 1.85', 1.8, false],
  ]);
});

test('goals: the dearest class by the cheapest, once every decade is there', () => {
  const million: LossReportRow = { ...native, backend: 'native', classes: 1_000_000, beyondBytes: 60 * 2 ** 20 };
  const at = (classes: number, medianMs: number): LossReportRow => ({
    ...million,
    ...{ classes, medianMs, workspaceBytes: 0, results: 'reused' },
  });
  const rows = [at(10_000, 10), at(31_623, 31.623), at(100_000, 100), at(316_228, 379.4736), at(1_000_000, 1000)];
  const flat = goalsOf(rows).find(({ what }) => what.startsWith('cost a class'));
  expect(flat?.measured).toBeCloseTo(1.2, 6);
  expect(flat?.met).toBe(false);
  expect(goalsOf(rows.slice(1)).filter(({ what }) => what.startsWith('cost a class'))).toEqual([]);
  expect(goalsOf([million])).toMatchObject([{ goal: '<= 64', measured: 60, met: true }]);
});

test('goals: the rate of the search by that of a product of another size', () => {
  const search: LossReportRow = { ...native, backend: 'native', method: 'topK', pass: 'forward', batch: 3530 };
  const product: LossReportRow = { ...search, backend: 'tensorflow', method: 'matmuls', isa: 'tf', classes: 65536 };
  const rows = [
    { ...search, classes: 1_000_000, gflops: 300 },
    { ...product, gflops: 400 },
  ];
  expect(goalsOf(rows)).toMatchObject([{ goal: '>= 0.8', measured: 0.75, met: false }]);
  expect(goalsOf(rows.slice(1))).toEqual([]);
});
