import { mkdirSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Checkpoint, previousOf, readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import { refusal, temporaryFolder } from '../data/made-images.js';

const first: Checkpoint = {
  progress: { step: 5, words: 'été', nothing: null },
  tensors: [
    { name: 'a', shape: [2, 3], values: Float32Array.of(1, -0, Number.MIN_VALUE, 1e38, Number.NaN, 3.5) },
    { name: 'empty', shape: [0, 4], values: new Float32Array(0) },
    { name: 'scalar', shape: [], values: Float32Array.of(7) },
  ],
};
const second: Checkpoint = { ...first, progress: { step: 10 } };

const never = (text: string) => {
  throw new Error(text);
};

test('what is written is read, to the bit', async () => {
  const file = join(temporaryFolder(), 'run', 'last.ckpt');
  writeCheckpoint(file, first);
  const { progress, tensors } = await readCheckpoint(file, never);
  expect(progress).toEqual(first.progress);
  expect(tensors).toEqual(first.tensors);
  expect(Object.is(tensors[0]!.values[1], -0)).toBe(true);
});

test('a checkpoint that ends early, anywhere, is noticed, and the one before it taken', async () => {
  const file = join(temporaryFolder(), 'last.ckpt');
  writeCheckpoint(file, first);
  writeCheckpoint(file, second);
  expect((await readCheckpoint(file, never)).progress).toEqual({ step: 10 });
  const whole = readFileSync(file);
  for (let length = whole.length - 1; length >= 0; length--) {
    truncateSync(file, length);
    const heard: string[] = [];
    const { progress } = await readCheckpoint(file, (text) => heard.push(text));
    expect(progress, `${length}`).toEqual(first.progress);
    expect(heard).toEqual([expect.stringMatching(/^COSFACE_CHECKPOINT: .*last\.ckpt is damaged: /)]);
  }
});

test('a changed byte, anywhere, is noticed', async () => {
  const file = join(temporaryFolder(), 'last.ckpt');
  writeCheckpoint(file, first);
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 0x10;
    writeFileSync(file, changed);
    const error = await refusal(readCheckpoint(file, () => {}));
    expect(error.code, `${at}`).toBe('COSFACE_CHECKPOINT');
  }
});

test('lengths in the header are not believed', async () => {
  const file = join(temporaryFolder(), 'last.ckpt');
  writeCheckpoint(file, { progress: 0, tensors: [{ name: 'a', shape: [1e9, 1e9], values: new Float32Array(3) }] });
  expect((await refusal(readCheckpoint(file, () => {}))).message).toMatch(/expected 4\d{18}/);
});

test('killed between the two renames, the earlier checkpoint is whole', async () => {
  const file = join(temporaryFolder(), 'last.ckpt');
  writeCheckpoint(file, first);
  renameSync(file, previousOf(file));
  writeFileSync(`${file}.123.part`, 'half');
  expect((await readCheckpoint(file, () => {})).progress).toEqual(first.progress);
});

test('where there is none, the error says so', async () => {
  const error = await refusal(readCheckpoint(join(temporaryFolder(), 'last.ckpt'), never));
  expect(error.message).toContain('there is no such file');
});

test('what cannot be written leaves the checkpoint that is there', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'last.ckpt');
  writeCheckpoint(file, first);
  mkdirSync(previousOf(file));
  writeFileSync(join(previousOf(file), 'x'), '');
  expect(() => writeCheckpoint(file, second)).toThrow(/^COSFACE_OUTPUT: .*last\.ckpt could not be written/);
  expect((await readCheckpoint(file, never)).progress).toEqual(first.progress);
  expect(readdirSync(folder)).toHaveLength(2);
});
