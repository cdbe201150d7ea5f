import { expect, test } from 'vitest';
import type { LossReport, LossReportRow } from '../../bench/loss/report.js';
import { reportMarkdown } from '../../bench/loss/report-markdown.js';
import { reportText } from '../../bench/loss/report-text.js';

const native: LossReportRow = {
  ...{ name: 'native gradients', backend: 'wasm', method: 'native', pass: 'gradients', isa: 'avx2', threads: 2 },
  ...{ batch: 512, classes: 10575, dim: 512, medianMs: 80, spreadMs: 0.5, repeats: 9, gflops: 207.9 },
  ...{ peakBytes: 3 * 2 ** 20, relativeError: 2e-7 },
};
const plain: LossReportRow = { ...native, name: 'plain gradients', method: 'plain', isa: 'wasm-simd', medianMs: 3400 };
const report: LossReport = {
  machine: { cpu: 'Some CPU', processors: 2, memoryBytes: 8e9, os: 'linux x64 6', node: '20.0.0', loadAverage: 0.25 },
  ...{ commit: 'abc', date: '2026-01-02T03:04:05.000Z', command: 'npx cosface bench loss' },
  measured: { time: 'T', peakBytes: 'P', relativeError: 'E', data: 'D' },
  rows: [
    native,
    plain,
    { ...plain, backend: 'tensorflow' },
    { ...native, backend: 'cpu', classes: 3, batch: 4, dim: 8, medianMs: 0.0123 },
  ],
  skipped: [
    {
      name: 'plain gradients',
      backend: 'cpu',
      isa: 'auto',
      threads: 'all',
      batch: 1,
      classes: 2,
      dim: 3,
      reason: 'slow\nx',
    },
  ],
  failed: [
    {
      name: 'composed gradients',
      backend: 'cpu',
      isa: 'auto',
      threads: 1,
      batch: 1,
      classes: 2,
      dim: 3,
      reason: 'wrong',
    },
  ],
};

test('the text has one table a shape, ratios to the kernel of the same backend, and what is missing', () => {
  const text = reportText(report);
  expect(text.match(/^N = .*$/gm)).toEqual(['N = 512, C = 10,575, D = 512', 'N = 4, C = 3, D = 8']);
  expect(text).toMatch(/^wasm +native gradients +avx2 +2 +80.0 ms +500 us +208 +3.0 MiB +2.0e-7 +1.00 x$/m);
  expect(text).toMatch(/^wasm +plain gradients +wasm-simd +2 +3.40 s .* 42.50 x$/m);
  // No kernel on that backend to compare with.
  expect(text).toMatch(/^tensorflow +plain gradients .* 2.0e-7$/m);
  expect(text).toMatch(/^cpu +native gradients +avx2 +2 +12.3 us/m);
  expect(text).toMatch(/^FAILED: cpu composed gradients, N = 1, C = 2, D = 3: wrong$/m);
  expect(text).toMatch(/^skipped: cpu plain gradients, N = 1, C = 2, D = 3: slow$/m);
});

test('the page carries machine, commit, date, command, figures and how they came about', () => {
  const page = reportMarkdown(report);
  for (const part of ['Some CPU, 2 processors', 'load average 0.25', '| abc |', '2026-01-02', 'npx cosface bench loss'])
    expect(page).toContain(part);
  expect(page).toMatch(/^\| wasm \| plain gradients \| wasm-simd \| 2 \| 3.40 s .*\| 42.50 x \|$/m);
  expect(page).toMatch(/^- skipped: cpu plain gradients/m);
  for (const how of ['T', 'P', 'E', 'D']) expect(page).toMatch(new RegExp(`\\*\\*: ${how}\\.$`, 'm'));
});
