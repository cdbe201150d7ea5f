import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DemoFigures } from '../../src/cli/demo/report.js';
import { type CliOutcome, cli, root, runCli } from '../cli/run-cli.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cosface-demo-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const quick = ['demo', '--quick', '--epochs', '1'];

/** Width and height as a PNG's first chunk tells them. */
function pngSize(path: string): [width: number, height: number] {
  const bytes = readFileSync(path);
  expect([...bytes.subarray(1, 4)].map((code) => String.fromCharCode(code)).join('')).toBe('PNG');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

describe('a quick run', { timeout: 300_000 }, () => {
  const out = () => join(folder, 'first');
  let first: CliOutcome;
  let figures: DemoFigures;

  beforeAll(() => {
    first = runCli([...quick, '--out', out(), '--json', join(folder, 'deeper', 'figures.json')]);
    figures = JSON.parse(readFileSync(join(folder, 'deeper', 'figures.json'), 'utf8'));
  }, 300_000);

  test('ends well, says what it is and where things are', () => {
    expect(first.status, first.stderr).toBe(0);
    expect(first.stdout).toContain('QUICK RUN: these figures mean nothing');
    expect(first.stdout).toMatch(/LMCL over softmax: -?\d+\.\d\d ± \d+\.\d\d points/);
    for (const name of ['figure-4.svg', 'figure-4.png', 'figures.json'])
      expect(first.stdout).toContain(join(out(), name));
    // One line for each training, and no bar where there is no terminal.
    expect(
      first.stderr
        .trim()
        .split('\n')
        .filter((line) => line.includes('images/s')),
    ).toHaveLength(11);
  });

  test('measures every panel and every loss', () => {
    expect(figures.figure4.digits).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(figures.figure4.panels.map(({ margin }) => margin)).toEqual([null, 0, 0.1, 0.2]);
    expect(figures.verification.rows.map(({ name }) => name)).toEqual(['softmax', 'NormFace', 'LMCL']);
    for (const { rounds, accuracy } of figures.verification.rows) {
      expect(rounds.map(({ unseen }) => unseen)).toEqual([
        [0, 1],
        [2, 3],
      ]);
      for (const round of rounds) expect(round.accuracy).toBeGreaterThan(0.5);
      expect(accuracy.mean).toBeCloseTo(rounds.reduce((sum, round) => sum + round.accuracy, 0) / 2, 12);
    }
    const [softmax, , lmcl] = figures.verification.rows;
    expect(figures.verification.gain.mean).toBeCloseTo((lmcl?.accuracy.mean ?? 0) - (softmax?.accuracy.mean ?? 0), 12);
  });

  test('draws the figure', () => {
    const svg = readFileSync(join(out(), 'figure-4.svg'), 'utf8');
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg).toContain('A quick run: too short to mean anything.');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(svg.match(/class="dots"/g)).toHaveLength(4 * 8);
    const [width, height] = pngSize(join(out(), 'figure-4.png'));
    expect(width).toBeGreaterThan(1500);
    expect(height).toBeGreaterThan(900);
  });

  test('leaves no drafts', () => {
    expect(readdirSync(out()).sort()).toEqual(['figure-4.png', 'figure-4.svg', 'figures.json']);
  });

  test('the same seed gives the same bytes, another seed other figures', () => {
    const again = runCli([...quick, '--out', join(folder, 'again'), '--json', '-']);
    expect(again.stdout).toBe(readFileSync(join(out(), 'figures.json'), 'utf8'));
    for (const name of ['figure-4.svg', 'figure-4.png']) {
      expect(readFileSync(join(folder, 'again', name)).equals(readFileSync(join(out(), name))), name).toBe(true);
    }
    const other = runCli([...quick, '--seed', '2', '--out', join(folder, 'other'), '--json', '-']);
    expect(JSON.parse(other.stdout).verification).not.toEqual(figures.verification);
  });
});

test.each([
  [['--epochs', '0'], 'Expected a whole number of at least 1'],
  [['--seed', 'one'], 'Expected a whole number of at least 0'],
])('refuses %j', (args, says) => {
  const { status, stderr } = runCli(['demo', ...args]);
  expect(status).toBe(2);
  expect(stderr).toContain(says);
});

test('says at once that a folder cannot be written', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const { status, stderr } = runCli(['demo', '--out', join(file, 'below')]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^COSFACE_OUTPUT: nothing can be written into .*below/);
});

test.skipIf(process.platform === 'win32')('Ctrl-C ends it with status 130 and no files', async () => {
  const out = join(folder, 'stopped');
  const child = spawn(process.execPath, [cli, 'demo', '--out', out], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGINT'), 3000));
  const status = await new Promise((resolve) => child.on('close', resolve));
  expect(status).toBe(130);
  expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
});
