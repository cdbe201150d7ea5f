import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { temporaryFolder, writeFeatures } from '../evaluate/feature-files.js';
import { runCli } from './run-cli.js';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const { features, list } = writeFeatures(folder, 'four', [
  ['A/A_0001.jpg', [1, 0]],
  ['A/A_0002.jpg', [1, 0.1]],
  ['B/B_0001.jpg', [0, 1]],
  ['B/B_0002.jpg', [0.1, 1]],
]);
const pairs = join(folder, 'pairs.txt');
writeFileSync(pairs, '2\t1\nA\t1\t2\nA\t1\tB\t1\nB\t1\t2\nA\t2\tB\t2\n');
const usual = ['evaluate', '--features', features, '--list', list, '--protocol', 'lfw', '--pairs', pairs];

test('the contract: JSON alone on standard output, the same bytes again', () => {
  const first = runCli([...usual, '--json', '-']);
  expect(first).toMatchObject({ status: 0, stderr: '' });
  const figures = JSON.parse(first.stdout);
  expect(figures).toMatchObject({ protocol: 'lfw', accuracy: 1, standardError: 0, auc: 1, eer: 0, foldsFrom: 'list' });
  expect(figures.variants).toHaveLength(4);
  expect(runCli([...usual, '--json', '-']).stdout).toBe(first.stdout);
});

test('figures for people, and pictures as SVG and PNG', () => {
  const out = join(folder, 'out');
  const { status, stdout } = runCli([...usual, '--out', out]);
  expect(status).toBe(0);
  for (const words of ['sphereface', 'cosface-pytorch', 'insightface', '100.00 %', 'AUC 1.00000'])
    expect(stdout).toContain(words);
  for (const key of ['roc', 'scores']) {
    expect(readFileSync(join(out, `${key}.svg`), 'utf8')).toMatch(/^<svg /);
    expect(
      readFileSync(join(out, `${key}.png`))
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
  }
});

test('errors: 1 with file and line, 2 for a command line that is wrong', () => {
  const wrong = join(folder, 'wrong.txt');
  writeFileSync(wrong, '2\t1\nA\t1\t9\n');
  const outcome = runCli([...usual.slice(0, -1), wrong]);
  expect(outcome.status).toBe(1);
  expect(outcome.stderr).toContain(`COSFACE_MISSING_FEATURE: ${wrong}:2: `);
  expect(outcome.stderr).not.toContain('    at ');
  expect(runCli(['evaluate', '--features', features]).status).toBe(2);
  expect(runCli([...usual, '--far', '2']).status).toBe(2);
  expect(runCli([...usual, '--protocol', 'none']).status).toBe(2);
});

test('--help names every protocol, and the docs every option', () => {
  const { stdout } = runCli(['evaluate', '--help']);
  for (const name of ['lfw', 'ytf', 'ijb', 'megaface', 'pairs']) expect(stdout).toContain(`  ${name} `);
  const docs = new URL('../../docs/evaluation.md', import.meta.url);
  expect(existsSync(docs)).toBe(true);
  const text = readFileSync(docs, 'utf8');
  for (const [option] of stdout.matchAll(/^ {2}--[a-z-]+/gm)) expect(text).toContain(`\`${option.trim()}`);
});
