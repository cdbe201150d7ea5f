import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { watchPeakMemory } from '../../bench/peak-memory.js';

const MIB = 2 ** 20;

function takeAndDrop(bytes: number): number {
  const taken = new Uint8Array(bytes).fill(1);
  return taken[bytes - 1] as number;
}

test.runIf(process.platform === 'linux')('sees what a step takes, even if given back, but not what was before', () => {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  takeAndDrop(200 * MIB);
  gc();
  const peakMemory = watchPeakMemory();
  const quiet = peakMemory();
  takeAndDrop(64 * MIB);
  gc();
  const peak = peakMemory();
  expect(quiet).toBeLessThan(16 * MIB);
  // 1 MiB less: the kernel keeps these counters for each processor and adds them up late.
  expect(peak).toBeGreaterThanOrEqual(63 * MIB);
  expect(peak).toBeLessThan(96 * MIB);
});
