import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cli } from '../cli/run-cli.js';
import { encoded, madeImage, temporaryFolder } from '../data/made-images.js';
import { npy } from '../evaluate/feature-files.js';
import { testWithSmallDisk, withSmallDisk } from '../full-disk.js';

const node = `"${process.execPath}" "${cli}"`;
const fill = 'head -c 1000000 /dev/zero > /mnt/other 2> /dev/null';

testWithSmallDisk('figures that find no room: said, and the old ones stay', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'f.npy'), npy([4, 2], Float32Array.of(1, 0, 1, 0.1, 0, 1, 0.1, 1)));
  writeFileSync(join(folder, 'f.txt'), 'a/1\na/2\nb/1\nb/2\n');
  writeFileSync(join(folder, 'pairs.txt'), 'a/1 a/2 1\na/1 b/1 0\n');
  const files = `--features ${folder}/f.npy --list ${folder}/f.txt --pairs ${folder}/pairs.txt`;
  const { stdout, stderr } = withSmallDisk(
    16,
    `echo old > /mnt/figures.json; ${fill}
     ${node} evaluate ${files} --protocol pairs --json /mnt/figures.json > /dev/null; echo "status $?"
     ls /mnt; cat /mnt/figures.json`,
  );
  expect(stderr).toMatch(/^COSFACE_OUTPUT: \/mnt\/figures\.json could not be written: the disk is full\. Make room/);
  expect(stderr).not.toContain('    at ');
  expect(stdout).toBe('status 1\nfigures.json\nother\nold\n');
});

testWithSmallDisk('an aligned face that finds no room ends the run, and leaves no part of it', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'photos', 'ann'), { recursive: true });
  writeFileSync(join(folder, 'photos', 'ann', '1.png'), await encoded(madeImage(200, 220), 'png'));
  writeFileSync(join(folder, 'marks.txt'), 'ann/1.png 70 100 115 100 92 125 74 150 111 150\n');
  const { stdout, stderr } = withSmallDisk(
    16,
    `mkdir -p /mnt/out/ann; ${fill}
     ${node} align ${folder}/photos --landmarks ${folder}/marks.txt --out /mnt/out; echo "status $?"
     ls /mnt/out/ann`,
  );
  expect(stderr).toMatch(/^COSFACE_OUTPUT: \/mnt\/out\/ann\/1\.jpg could not be written: the disk is full/);
  expect(stdout).toBe('status 1\n');
});
