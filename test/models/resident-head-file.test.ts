import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadResidentHead, saveResidentHead } from '../../src/models/index.js';
import { type HeadOptimizer, ResidentHead } from '../../src/native/index.js';
import { testWithSmallDisk, withSmallDisk } from '../full-disk.js';
import { root } from '../native/built-package.js';
import { makeProblem } from '../native/problem.js';

const folder = mkdtempSync(join(tmpdir(), 'cosface-head-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CLASSES = 300;
const DIM = 17;
const { embeddings, labels, weights } = makeProblem({ batch: 20, classes: CLASSES, dim: DIM });
const step = { embeddings, labels, m3: 0.35, learningRate: 0.01, weightDecay: 1e-3 };

const OPTIMIZERS: HeadOptimizer[] = [
  { kind: 'sgd', momentum: 0 },
  { kind: 'sgd', momentum: 0.5 },
  { kind: 'sgd' },
  { kind: 'adamw', beta1: 0.8, epsilon: 1e-6 },
];

function makeHead(optimizer: HeadOptimizer, normalize = false): ResidentHead {
  return new ResidentHead({ classes: CLASSES, dim: DIM, weights, optimizer, normalize });
}

async function savedHead(name: string, optimizer: HeadOptimizer = { kind: 'adamw' }): Promise<string> {
  using head = makeHead(optimizer);
  head.step(step);
  const path = join(folder, name);
  await saveResidentHead(head, path);
  return path;
}

test.each(OPTIMIZERS)('a head that was saved goes on as if nothing had happened: %o', async (optimizer) => {
  using head = makeHead(optimizer, true);
  head.step(step);
  head.step(step);
  const path = join(folder, 'deeper', 'round-trip');
  await saveResidentHead(head, path);
  using loaded = await loadResidentHead(path);
  expect(loaded).toMatchObject({ classes: CLASSES, dim: DIM, normalize: true, steps: 2 });
  expect(loaded.optimizer).toEqual(head.optimizer);
  expect(loaded.step(step)).toEqual(head.step(step));
  expect(loaded.read()).toEqual(head.read());
  expect(existsSync(`${path}.part`)).toBe(false);
});

test('progress ends at all bytes; steps wait for nobody but are refused', async () => {
  using head = new ResidentHead({ classes: 5000, dim: 512, seed: 1 });
  const done: number[] = [];
  const path = join(folder, 'progress');
  const saving = saveResidentHead(head, path, { onProgress: (bytes, total) => done.push(bytes / total) });
  await expect(head.stepAsync(step)).rejects.toMatchObject({ code: 'COSFACE_BUSY' });
  expect(() => head.read()).toThrow('saveResidentHead is still running');
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await saving;
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(0);
  expect(done.at(-1)).toBe(1);
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(statSync(path).size).toBeGreaterThan(2 * 4 * 5000 * 512);
  using loaded = await loadResidentHead(path);
  expect(Buffer.compare(Buffer.from(loaded.read().buffer), Buffer.from(head.read().buffer))).toBe(0);
});

describe('what is no whole file is COSFACE_MODEL', () => {
  test('cut off anywhere', async () => {
    const path = await savedHead('cut');
    const whole = readFileSync(path);
    for (const size of [0, 5, 11, 12, 60, 200, 5000, whole.length - 33, whole.length - 1]) {
      writeFileSync(path, whole);
      truncateSync(path, size);
      await expect(loadResidentHead(path)).rejects.toMatchObject({ code: 'COSFACE_MODEL' });
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.of(0)]));
    await expect(loadResidentHead(path)).rejects.toMatchObject({ code: 'COSFACE_MODEL' });
  });

  test('any bit changed', async () => {
    const path = await savedHead('bits');
    const whole = readFileSync(path);
    for (const at of [0, 8, 11, 12, 40, 300, 3000, whole.length - 40, whole.length - 1]) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x10;
      writeFileSync(path, changed);
      await expect(loadResidentHead(path), `byte ${at}`).rejects.toMatchObject({ code: 'COSFACE_MODEL' });
    }
  });

  test.each([
    ['more classes than the file has', { classes: 2 ** 31 - 1 }],
    ['a size beyond all files', { classes: 2 ** 31 - 1, dim: 2 ** 24 }],
    ['no class', { classes: 0 }],
    ['half a feature', { dim: 16.5 }],
    ['steps below 0', { steps: -1 }],
    ['an optimiser of its own', { optimizer: { kind: 'lion' } }],
    ['a version to come', { version: 2 }],
    ['a name more', { more: 1 }],
  ])('a header with %s, before anything is allocated', async (_, change) => {
    const whole = readFileSync(await savedHead('header'));
    const length = whole.readUInt32LE(8);
    const header = { ...JSON.parse(whole.toString('utf8', 12, 12 + length)), ...change };
    const text = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(12, 'cosfhead');
    prefix.writeUInt32LE(text.length, 8);
    const path = join(folder, 'header');
    writeFileSync(path, Buffer.concat([prefix, text, whole.subarray(12 + length)]));
    const before = process.memoryUsage.rss();
    await expect(loadResidentHead(path)).rejects.toMatchObject({ code: 'COSFACE_MODEL' });
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20);
  });

  test('a folder; and what is not there is COSFACE_FILE', async () => {
    await expect(loadResidentHead(folder)).rejects.toMatchObject({ code: 'COSFACE_MODEL' });
    await expect(loadResidentHead(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'COSFACE_FILE' });
  });
});

const SAVE = (path: string, seed: number) => `
  import { ResidentHead } from '${root}dist/native/index.js';
  import { saveResidentHead } from '${root}dist/models/index.js';
  await main();
  async function main() {
    const head = new ResidentHead({ classes: 20000, dim: 256, seed: ${seed} });
    try {
      console.log('saving');
      await saveResidentHead(head, ${JSON.stringify(path)});
      console.log('saved');
    } catch (error) {
      console.log(error.code, error.message);
    }
  }`;

function startSaving(path: string, seed: number) {
  return spawn(process.execPath, ['--input-type=module', '--eval', SAVE(path, seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('killed while it saves: the old head or the new one, whole', async () => {
  const path = join(folder, 'killed');
  using old = new ResidentHead({ classes: 20000, dim: 256, seed: 1 });
  await saveResidentHead(old, path);
  let killedInside = 0;
  for (const delay of [0, 10, 25, 60, 150]) {
    const child = startSaving(path, 2);
    const ended = new Promise((resolve) => child.once('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await ended;
    if (existsSync(`${path}.part`)) killedInside++;
    using loaded = await loadResidentHead(path);
    const seed = loaded.read(0, 1)[0] === old.read(0, 1)[0] ? 1 : 2;
    using expected = new ResidentHead({ classes: 20000, dim: 256, seed });
    expect(Buffer.compare(Buffer.from(loaded.read().buffer), Buffer.from(expected.read().buffer))).toBe(0);
    await saveResidentHead(old, path);
    expect(existsSync(`${path}.part`)).toBe(false);
  }
  expect(killedInside).toBeGreaterThan(0);
});

testWithSmallDisk('a full disk is COSFACE_OUTPUT, and leaves the old file and no part of the new one', () => {
  const script = ['echo old > /mnt/head', `"$0" --input-type=module --eval "$1"`, 'cat /mnt/head; ls /mnt'].join('\n');
  const { stdout } = withSmallDisk(8192, script, [process.execPath, SAVE('/mnt/head', 1)]);
  expect(stdout).toContain('COSFACE_OUTPUT COSFACE_OUTPUT: /mnt/head could not be written: the disk is full.');
  expect(stdout.trim().split('\n').slice(-2)).toEqual(['old', 'head']);
});
