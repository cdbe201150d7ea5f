import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlignFigures } from '../../src/cli/align/run-align.js';
import { encoded, madeImage } from '../data/made-images.js';
import { runCli } from './run-cli.js';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cosface-align-'));
  mkdirSync(at('photos', 'ann'), { recursive: true });
  writeFileSync(at('photos', 'ann', '1.png'), await encoded(madeImage(200, 220), 'png'));
  writeFileSync(at('photos', 'ann', '2.jpg'), (await encoded(madeImage(200, 220))).subarray(0, 900));
  writeFileSync(at('photos', 'ann', '3.jpg'), await encoded(madeImage(200, 220)));
  writeFileSync(at('photos', 'ann', '4.jpg'), await encoded(madeImage(200, 220)));
  const face = '70 100 115 100 92 125 74 150 111 150';
  const swapped = '115 100 70 100 92 125 74 150 111 150';
  writeFileSync(at('marks.txt'), `ann/1.png ${face}\nann/2.jpg ${face}\nann/4.jpg ${swapped}\ngone/1.jpg ${face}\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('good photos are aligned, bad ones named and counted, figures written', async () => {
  const args = [
    'align',
    at('photos'),
    '--landmarks',
    at('marks.txt'),
    '--out',
    at('out'),
    '--json',
    '-',
    '--size',
    '112x112',
  ];
  const { status, stdout, stderr } = runCli(args);
  expect(status, stderr).toBe(0);
  const figures = JSON.parse(stdout) as AlignFigures;
  expect(figures).toMatchObject({ size: '112x112', landmarks: 'list', photos: 4, aligned: 1, unusedLandmarks: 1 });
  expect(figures.bad.named.map(({ name }) => name)).toEqual(['ann/2.jpg', 'ann/3.jpg', 'ann/4.jpg']);
  expect(stderr).toContain('3 images could not be used');
  expect(stderr).toContain('ann/3.jpg: ');
  expect(stderr).toMatch(/ann\/4\.jpg: its landmarks are \d+\.\d pixels off those of a face/);
  const { width, height, format } = await sharp(readFileSync(at('out', 'ann', '1.jpg'))).metadata();
  expect([width, height, format]).toEqual([112, 112, 'jpeg']);
  expect(existsSync(at('out', 'ann', '2.jpg'))).toBe(false);
});

test.each([
  {
    flags: ['--landmarks', 'marks.txt', '--bad', 'fail'],
    out: 'stop',
    says: 'COSFACE_IMAGE: ann/2.jpg: it cannot be decoded',
  },
  { flags: [], out: 'out', says: 'either --landmarks with a list, or --detect' },
  { flags: ['--landmarks', 'marks.txt'], out: 'photos/aligned', says: 'photos must not be overwritten' },
  { flags: ['--landmarks', 'none.txt'], out: 'out', says: 'none.txt: there is no such file' },
  { flags: ['--landmarks', 'marks.txt'], out: 'marks.txt', says: 'COSFACE_OUTPUT' },
])('what cannot be: $says', ({ flags, out, says }) => {
  const args = flags.map((flag) => (flag.endsWith('.txt') ? at(flag) : flag));
  const { status, stderr } = runCli(['align', at('photos'), ...args, '--out', at(out)]);
  expect(stderr).toContain(says);
  expect(stderr).not.toContain('    at ');
  expect(status).toBe(1);
});
