import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TINY } from '../experiment/tiny-settings.js';
import { makePeople } from '../train/made-people.js';
import { startCommand, writeConfig } from '../train/train-program.js';
import { runCli } from './run-cli.js';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const margin = (out: string) => [
  ...[
    'experiment',
    'margin',
    at('people'),
    '--config',
    at('tiny.json'),
    '--steps',
    '6',
    '--seeds',
    '1',
    '--out',
    at(out),
  ],
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cosface-experiment-'));
  await makePeople(at('people'), { people: 24 });
  writeConfig(at('tiny.json'), TINY);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('killed in its third run it goes on; results, picture and figures as JSON', { timeout: 120_000 }, async () => {
  const run = startCommand(margin('out'));
  const runs = () => (existsSync(at('out')) ? readdirSync(at('out')).length : 0);
  while (runs() < 3) await sleep(5);
  run.kill('SIGKILL');
  await run.ended;
  const { status, stdout, stderr } = runCli([...margin('out'), '--json', '-']);
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/^run 6 of 6: m = 0\.65, try 1 of 1/m);
  expect(stderr).not.toContain('\x1b');
  const result = JSON.parse(stdout);
  expect(result).toEqual(JSON.parse(readFileSync(at('out', 'margin.json'), 'utf8')));
  expect(result.methods.map(({ name }: { name: string }) => name)).toContain('m = 0.35');
  expect(readFileSync(at('out', 'margin.md'), 'utf8')).toContain('![LMCL by margin (figure 5)](experiment-margin.png)');
  expect(readFileSync(at('out', 'experiment-margin.png')).subarray(1, 4).toString()).toBe('PNG');
});

test('the toy: figure 4 alone', () => {
  const { status, stdout, stderr } = runCli(['experiment', 'toy', '--quick', '--out', at('toy'), '--json', '-']);
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout).figure4.panels).toHaveLength(4);
  expect(readdirSync(at('toy')).sort()).toEqual(['figure-4.png', 'figure-4.svg', 'figures.json']);
});

test.each([
  [['margin'], "error: missing required argument 'images'", 2],
  [['margin', 'x', '--seeds', '0'], 'Expected a whole number of at least 1', 2],
  [['margin', 'nowhere'], 'nowhere: there is no such file or folder', 1],
  [['losses', 'x', '--config', 'absent.yaml'], 'absent.yaml: there is no such file', 1],
  [['losses', 'x', '--methods', 'softmax,hinge'], "methods is 'hinge', expected names among softmax", 1],
  [['losses', 'x', '--methods', 'triplet'], 'and softmax with them', 1],
  [['figure'], "error: unknown command 'figure'", 2],
])('%j is refused in words', (args, message, expected) => {
  const { status, stderr } = runCli(['experiment', ...args]);
  expect(stderr).toContain(message);
  expect(stderr).not.toContain('    at ');
  expect(status).toBe(expected);
});
