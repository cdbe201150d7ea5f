import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testWithSmallDisk, withSmallDisk } from '../full-disk.js';
import { makePeople } from '../train/made-people.js';
import { metricsLines, SMALL, startTraining, writeConfig } from '../train/train-program.js';
import { cli, runCli } from './run-cli.js';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cosface-train-'));
  await makePeople(at('people'));
  const { data: _, ...settings } = SMALL;
  writeConfig(at('recipe.json'), { ...settings, steps: 12, backend: 'wasm' });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('flags go before the file, single settings before flags; figures as JSON; nothing on a quiet terminal but verifications', () => {
  const { status, stdout, stderr } = runCli([
    ...['train', at('people'), '--config', at('recipe.json'), '--out', at('one'), '--epochs', '2', '--seed', '7'],
    ...['--loss', 'arcface', '--set', 'verification.every=6', '--set', 'data.threads=0', '--json', '-'],
  ]);
  expect(status, stderr).toBe(0);
  const figures = JSON.parse(stdout);
  expect(figures).toMatchObject({ end: 'finished', backend: 'wasm', identities: 8, images: 48, step: 12 });
  const settings = JSON.parse(readFileSync(at('one', 'settings.json'), 'utf8'));
  expect(settings).toMatchObject({ epochs: 2, seed: 7, loss: { name: 'arcface', margin: 0.2 }, data: { threads: 0 } });
  expect(settings.steps).toBeUndefined();
  const lines = stderr.split('\n').filter((line) => /^step \d+: AUC/.test(line));
  expect(lines).toHaveLength(2);
  expect(stderr).not.toContain('\x1b');
});

test('what is asked for in vain is refused at once, and nothing is written', () => {
  const cases: [string[], RegExp, number][] = [
    [['--out', at('none')], /COSFACE_SETTINGS: settings: there are no images/, 1],
    [[at('nobody'), '--out', at('none')], /COSFACE_FILE: .*nobody: there is no such file or folder/, 1],
    [[at('people'), '--out', at('none'), '--set', 'loss.margn=1'], /margn is not an option here/, 1],
    [[at('people'), '--out', at('none'), '--set', 'optimizer.rate=1'], /Unrecognized key: "rate"/, 1],
    [[at('people'), '--out', at('none'), '--config', at('absent.yaml')], /absent\.yaml: there is no such file/, 1],
    [
      [at('people'), '--out', at('none'), '--batch', '5000'],
      /there are \d+ images to train on, fewer than batch\.size/,
      1,
    ],
    [['--out', at('none'), '--resume'], /there are no images/, 1],
    [[at('people'), '--out', at('none'), '--loss', 'cosfaces'], /Allowed choices are softmax/, 2],
    [[at('people'), '--out', at('none'), '--steps', '0'], /whole number of at least 1/, 2],
    [[at('people')], /required option '--out <folder>'/, 2],
  ];
  for (const [args, message, expected] of cases) {
    const { status, stderr } = runCli(['train', '--backend', 'wasm', ...args]);
    expect(stderr, args.join(' ')).toMatch(message);
    expect(status).toBe(expected);
    expect(stderr).not.toContain('    at ');
  }
  expect(existsSync(at('none'))).toBe(false);
});

test('the first interruption ends with a checkpoint and says how to go on', async () => {
  const args = [at('people'), '--config', at('recipe.json'), '--out', at('stopped'), '--steps', '5000'];
  const run = startTraining([...args, '--set', 'data.threads=0']);
  await metricsLines(at('stopped'), 2, run.ended);
  run.kill('SIGINT');
  const { status, stderr } = await run.ended;
  expect(status).toBe(130);
  expect(stderr).toMatch(/Stopped after step \d+\. Go on with: cosface train --out .*stopped --resume/);
  expect(existsSync(at('stopped', 'last.ckpt'))).toBe(true);
  expect(existsSync(at('stopped', 'last', 'model.json'))).toBe(true);
});

testWithSmallDisk('a full disk: said, nothing lost, and gone on with once there is room', () => {
  const train = `"${process.execPath}" "${cli}" train --out /mnt/run`;
  const script = `
    head -c 180000 /dev/zero > /mnt/other
    ${train} "${at('people')}" --config "${at('recipe.json')}"; echo "status $?"
    rm /mnt/other
    ${train} --resume --json -; echo "status $?"; ls /mnt/run`;
  const { stdout, stderr } = withSmallDisk(200, script);
  expect(stderr).toMatch(/COSFACE_OUTPUT: \/mnt\/run\S* could not be written: the disk is full\. Make room/);
  expect(stderr).not.toContain('    at ');
  expect(stdout).toMatch(/^status 1\n/);
  expect(stdout).toContain('"end": "finished"');
  expect(stdout).toContain('status 0');
  expect(stdout).not.toContain('.part');
});
