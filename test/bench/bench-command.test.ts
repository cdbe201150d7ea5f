import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LossReport } from '../../bench/loss/report.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const shape = ['--batch', '20', '--classes', '37', '--dim', '19'];

function bench(args: string[], env: Record<string, string> = {}) {
  if (!existsSync(main)) throw new Error(`${main} is not there: run npm run build`);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('COSFACE_'));
  return spawnSync(process.execPath, [main, 'bench', 'loss', ...args], {
    ...{ encoding: 'utf8', timeout: 280_000, env: { ...Object.fromEntries(inherited), ...env } },
  });
}

describe('a run', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'cosface-bench-'));
  const markdown = join(folder, 'pages', 'loss.md');
  let report: LossReport;
  let outcome: ReturnType<typeof bench>;

  beforeAll(() => {
    outcome = bench([...shape, '--backends', 'native,cpu', '--seconds', '0.2', '--json', '-', '--markdown', markdown]);
    report = JSON.parse(outcome.stdout); // and nothing else is on standard output
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test('ends well, with every row measured', () => {
    expect(outcome.stderr).toBe('');
    expect(outcome.status).toBe(0);
    expect(report.failed).toEqual([]);
    expect(report.skipped).toEqual([]);
  });

  test('has the fields that outside checks read', () => {
    expect(report.machine.processors).toBeGreaterThan(0);
    expect(report.commit).toMatch(/^[0-9a-f]{12}(-dirty)?$|^v\d/);
    expect(report.command).toMatch(/^npx cosface bench loss --batch 20/);
    for (const row of report.rows) {
      for (const key of ['name', 'backend', 'isa'] as const) expect(row[key]).toBeTypeOf('string');
      for (const key of ['threads', 'batch', 'classes', 'dim', 'medianMs', 'gflops'] as const)
        expect(row[key]).toBeGreaterThan(0);
      expect(row.spreadMs).toBeGreaterThanOrEqual(0);
      expect(row.peakBytes).toBeGreaterThanOrEqual(0);
      expect(row.repeats).toBeGreaterThanOrEqual(5);
      expect(row.relativeError).toBeGreaterThan(0);
      if (row.precision === 'fp32' && row.gradientTolerance === 0) expect(row.relativeError).toBeLessThan(1e-5);
    }
  });

  test('has the roofs of the machine, and each large row as a share of its own', () => {
    expect(report.rates.memoryBytesPerSecond).toBeGreaterThan(1e8);
    for (const { isa, threads, shareOfPeak, batch } of report.rows) {
      expect(shareOfPeak === null).toBe(batch === 4);
      if (isa !== 'javascript')
        expect(report.rates.fma.some((rate) => rate.isa === isa && rate.threads === threads)).toBe(true);
    }
  });

  test('the page of an earlier run needs no new one', () => {
    const json = join(folder, 'earlier.json');
    writeFileSync(json, JSON.stringify(report));
    const again = join(folder, 'again', 'loss.md');
    const { status, stdout } = bench(['--from', json, '--markdown', again]);
    expect(status).toBe(0);
    expect(stdout).toContain('N = 20, C = 37, D = 19');
    expect(readFileSync(again, 'utf8')).toBe(readFileSync(markdown, 'utf8'));
  });

  test('each row ran what it says', () => {
    const of = (backend: string, name: string, batch: number) =>
      report.rows.filter((row) => row.backend === backend && row.name === name && row.batch === batch);
    const kernels = of('native', 'native gradients', 20);
    expect(kernels.some(({ isa, threads }) => isa === 'scalar' && threads === 1)).toBe(true);
    const distinct = new Set(kernels.map(({ isa, threads }) => `${isa} ${threads}`));
    expect(distinct.size).toBe(kernels.length);
    for (const name of ['native', 'composed', 'plain']) {
      expect(of('cpu', `${name} gradients`, 20)).toHaveLength(1);
      expect(of('cpu', `${name} gradients`, 4)).toHaveLength(1);
    }
    expect(of('cpu', 'composed gradients', 20)[0]?.isa).toBe('javascript');
    expect(of('cpu', 'native gradients', 20)[0]?.isa).toBe(kernels[0]?.isa);
  });

  test('writes the page and leaves nothing beside it', () => {
    expect(readFileSync(markdown, 'utf8')).toContain('N = 20, C = 37, D = 19');
    expect(readdirSync(join(folder, 'pages')).sort()).toEqual(['loss-roofline.png', 'loss-roofline.svg', 'loss.md']);
    expect(readFileSync(markdown, 'utf8')).toMatch(/^!\[Roofline.*\]\(loss-roofline.png\)$/m);
  });
});

describe('a run that cannot measure', { timeout: 120_000 }, () => {
  test('for want of a binary: names it, measures the rest', () => {
    const missing = { COSFACE_BINARY: join(tmpdir(), 'no-such-cosface.node') };
    const { stdout, status } = bench([...shape, '--backends', 'native', '--seconds', '0.1', '--json', '-'], missing);
    const report: LossReport = JSON.parse(stdout);
    expect(report.rows).toEqual([]);
    expect(report.skipped[0]?.reason).toContain('COSFACE_NO_BINARY');
    expect(status).toBe(1);
  });

  test('a suite within the limit: names each shape, makes no batch', () => {
    const { stdout, status } = bench(['--suite', 'scaling', '--backends', 'native', '--limit', '1e-9']);
    for (const classes of ['10,000', '1,000,000'])
      expect(stdout).toMatch(
        new RegExp(`^skipped: native native gradients, budget 0, in place, N = 512, C = ${classes}`, 'm'),
      );
    expect(status).toBe(1);
  });

  test('without the peers: says how to get them', () => {
    const { stdout, status } = bench([...shape, '--backends', 'pytorch', '--json', '-'], { COSFACE_CACHE: tmpdir() });
    const report: LossReport = JSON.parse(stdout);
    expect(report.skipped).toHaveLength(8);
    for (const { reason } of report.skipped) expect(reason).toContain('npx cosface bench setup-peers');
    expect(status).toBe(1);
  });

  test('within the limit: says how long a call would take', () => {
    const { stdout, status } = bench([...shape, '--backends', 'native', '--limit', '1e-9', '--seconds', '0.1']);
    expect(stdout).toMatch(/^skipped: native native forward, .*: a call would take about .* s, more than the limit/m);
    expect(status).toBe(1);
  });
});

test.each([
  [['--batch', '0'], /'--batch <n>' argument '0' is invalid. Expected a whole number from 1 to/],
  [['--classes', '1e3'], /'--classes <n>' argument '1e3' is invalid. Expected a whole number from 2 to/],
  [['--dim', 'wide'], /'--dim <n>' argument 'wide' is invalid/],
  [['--seconds', '-1'], /'--seconds <n>' argument '-1' is invalid. Expected a number above 0/],
  [['--backends', 'cpu,webgl'], /'webgl' is no backend, expected some of native,tensorflow,wasm,cpu,pytorch/],
  [['--batches', '4'], /unknown option '--batches'/],
  [['--suite', 'all'], /'all' is no suite, expected some of shapes,scaling,search,matrix/],
  [['--suite', 'shapes', '--batch', '4'], /option '--suite <names>' cannot be used with option '--batch <n>'/],
])('%j is a usage error', (args, message) => {
  const { status, stdout, stderr } = bench(args);
  expect(stderr).toMatch(message);
  expect(stdout).toBe('');
  expect(status).toBe(2);
});
