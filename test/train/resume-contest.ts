import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { temporaryFolder } from '../data/made-images.js';
import { makePeople } from './made-people.js';
import { metricsLines, outcomeOf, SMALL, startTraining, train, writeConfig } from './train-program.js';

/**
 * Trains once without a break, and once killed again and again, at moments before, between and while files are written;
 * every number that is left must be the same.
 */
export async function resumeContest(backend: 'wasm' | 'tensorflow', loss: object): Promise<void> {
  const folder = temporaryFolder();
  const people = join(folder, 'people');
  mkdirSync(people);
  await makePeople(people);
  const config = writeConfig(join(folder, 'config.json'), {
    ...SMALL,
    loss,
    backend,
    data: { ...SMALL.data, path: people },
  });
  const whole = join(folder, 'whole');
  const unbroken = await train(['--config', config, '--out', whole]);
  expect(unbroken.status, unbroken.stderr).toBe(0);

  const broken = join(folder, 'broken');
  let kills = 0;
  // Lines of metrics to wait for, and milliseconds after that.
  for (const [lines, delay] of [
    [0, 350],
    [1, 0],
    [4, 3],
    [9, 1],
    [14, 0],
    [21, 2],
  ] as const) {
    const resume = existsSync(join(broken, 'settings.json')) ? ['--resume'] : [];
    const run = startTraining(['--config', config, '--out', broken, ...resume]);
    await metricsLines(broken, lines, run.ended);
    await sleep(delay);
    run.kill('SIGKILL');
    const { status, signal, stderr } = await run.ended;
    if (signal === 'SIGKILL') kills++;
    else expect(status, stderr).toBe(0);
  }
  expect(kills).toBeGreaterThan(3);
  const last = await train(['--out', broken, '--resume']);
  expect(last.status, last.stderr).toBe(0);

  const [one, other] = [outcomeOf(whole), outcomeOf(broken)];
  expect(other).toEqual(one);
  const tensors = async (of: string) => (await readCheckpoint(join(of, 'last.ckpt'), () => {})).tensors;
  expect(await tensors(broken)).toEqual(await tensors(whole));
}
