import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { NativeAddon } from '../../src/native/addon.js';
import { binaryPath } from './built-package.js';
import { makeProblem } from './problem.js';

const folder = mkdtempSync(join(tmpdir(), 'cosface-two-loads-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('two copies of the binary in one process work side by side', async () => {
  const copyPath = join(folder, 'copy.node');
  copyFileSync(binaryPath, copyPath);
  const require = createRequire(import.meta.url);
  const first: NativeAddon = require(binaryPath);
  const second: NativeAddon = require(copyPath);
  expect(second).not.toBe(first);
  expect(second.info()).toEqual(first.info());

  const call = {
    ...makeProblem({ batch: 40, classes: 200, dim: 31 }),
    ...{ scale: 64, m1: 1, m2: 0.5, m3: 0, ignoreLabel: -1 },
    ...({ reduction: 'mean', gradient: 'exact' } as const),
    gradients: true,
  };
  const [a, b] = await Promise.all([first.marginSoftmaxAsync(call), second.marginSoftmaxAsync(call)]);
  expect(b).toEqual(a);
  first.releaseWorkspace();
  expect(await second.marginSoftmaxAsync(call)).toEqual(a);
});
