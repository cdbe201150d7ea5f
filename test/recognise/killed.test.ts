import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { saveModelFolder } from '../../src/models/model-folder.js';
import { cli, root } from '../cli/run-cli.js';
import { temporaryFolder } from '../data/made-images.js';
import { testWithSmallDisk, withSmallDisk } from '../full-disk.js';
import { madeFaces, manyNames } from './made-faces.js';
import { smallModel } from './small-model.js';

const program = fileURLToPath(new URL('programs/embed.mjs', import.meta.url));

beforeAll(() => void tf.setBackend('cpu'));

/** Kills the program once it has said that so many images are done. */
function killedAfter(images: number, args: string[]): Promise<NodeJS.Signals | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (text.split('\n').some((line) => Number(line) >= images)) child.kill('SIGKILL');
    });
    child.on('close', (_, signal) => resolve(signal));
  });
}

test('killed and run again: it goes on, to the bytes of an unbroken run', { timeout: 240_000 }, async () => {
  const [folder, images, out] = [temporaryFolder(), await madeFaces(...manyNames(60)), temporaryFolder()];
  await saveModelFolder(folder, smallModel({ flip: 'concatenate' }));
  const run = (features: string) => spawnSync(process.execPath, [program, folder, images, features], { cwd: root });
  expect(run(join(out, 'whole.npy')).status).toBe(0);
  for (const count of [10, 30])
    expect(await killedAfter(count, [folder, images, join(out, 'broken.npy')])).toBe('SIGKILL');
  const { stdout, status } = run(join(out, 'broken.npy'));
  expect(status).toBe(0);
  const done = JSON.parse(stdout.toString().trim().split('\n').at(-1) as string);
  expect(done).toMatchObject({ images: 60, rows: 60 });
  expect(done.resumedAt).toBeGreaterThanOrEqual(20);
  for (const end of ['npy', 'txt'])
    expect(readFileSync(join(out, `broken.${end}`))).toEqual(readFileSync(join(out, `whole.${end}`)));
});

testWithSmallDisk('a full disk: said, nothing lost, and gone on with once there is room', async () => {
  const [folder, images] = [temporaryFolder(), await madeFaces(...manyNames(40))];
  await saveModelFolder(folder, smallModel());
  const embed = (out: string) =>
    `"${process.execPath}" "${cli}" embed "${images}" --model "${folder}" --out ${out} --batch 8 --backend wasm --threads 0`;
  const script = `
    head -c 8192 /dev/zero > /mnt/other
    ${embed('/mnt/faces.npy')}; echo "status $?"
    ls /mnt; rm /mnt/other
    ${embed('/mnt/faces.npy')}; echo "status $?"
    ls /mnt`;
  const { stdout, stderr } = withSmallDisk(12, script);
  expect(stderr).toMatch(
    /COSFACE_OUTPUT: \/mnt\/faces\.(npy|txt)\S* could not be written: the disk is full\. Make room/,
  );
  expect(stderr).not.toContain('    at ');
  const [first, second] = stdout.split('other\n');
  expect(first).toContain('status 1');
  expect(second).toContain('40 of 40 images embedded');
  expect(second).toMatch(/status 0\nfaces\.npy\nfaces\.txt\n$/);
});
