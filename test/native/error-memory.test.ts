import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { marginSoftmax, marginSoftmaxAsync } from '../../src/native/index.js';
import { ERROR_CASES } from './error-cases.js';

/** One of each code and argument: other values take the same path to their error. */
const CASES = [...new Map(ERROR_CASES.map((c) => [`${c.code} ${c.argument}`, c])).values()];
const REPEATS = 10_000;
const MIB = 2 ** 20;

interface Resources {
  /** Memory of the process that is not JavaScript's heap. */
  nativeBytes: number;
  handles: number;
  threads: number;
  files: number;
}

function resources(): Resources {
  if (!globalThis.gc) throw new Error('run with --expose-gc, as vitest.config.ts does');
  globalThis.gc();
  const { rss, heapTotal } = process.memoryUsage();
  const countOf = (folder: string) => (process.platform === 'linux' ? readdirSync(folder).length : 0);
  return {
    nativeBytes: rss - heapTotal,
    handles: process.getActiveResourcesInfo().length,
    threads: countOf('/proc/self/task'),
    files: countOf('/proc/self/fd'),
  };
}

/** A leak grows at every round; what V8 and malloc keep for later does in some, by up to 7 MB on a busy machine. */
async function expectNoGrowth(bytes: number, round: () => unknown): Promise<void> {
  let before = resources();
  let growth = Number.POSITIVE_INFINITY;
  for (let k = 0; k < 20 && growth >= bytes; k++) {
    await round();
    const after = resources();
    growth = after.nativeBytes - before.nativeBytes;
    expect(after.handles).toBeLessThanOrEqual(before.handles);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    expect(after.files).toBeLessThanOrEqual(before.files);
    before = after;
  }
  expect(growth).toBeLessThan(bytes);
}

function throwTimes(call: () => unknown, times: number): void {
  for (let k = 0; k < times; k++) {
    let thrown = false;
    try {
      call();
    } catch {
      thrown = true;
    }
    if (!thrown) throw new Error('the call did not throw');
  }
}

// 1 MiB is 105 bytes for each error.
test('an error of each kind, 10,000 times over, leaves no memory, handle or thread behind', {
  timeout: 600_000,
}, async () => {
  for (const { options } of CASES) throwTimes(() => marginSoftmax(options()), REPEATS / 10);
  for (const { options } of CASES) await expectNoGrowth(MIB, () => throwTimes(() => marginSoftmax(options()), REPEATS));
});

test('nor does an error that the worker of marginSoftmaxAsync finds', { timeout: 600_000 }, async () => {
  const cases = CASES.filter(({ index }) => index !== undefined);
  const reject = async (times: number) => {
    for (const { options, code } of cases) {
      for (let k = 0; k < times; k += 100) {
        const calls = Array.from({ length: 100 }, () => marginSoftmaxAsync(options()));
        for (const { reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[])
          if (reason.code !== code) throw reason;
      }
    }
  };
  await reject(REPEATS / 10);
  await expectNoGrowth(8 * MIB, () => reject(REPEATS));
});

test('nor do calls that succeed, sync and async', async () => {
  const options = {
    embeddings: new Float32Array(64 * 32).fill(0.5),
    weights: new Float32Array(100 * 32).fill(0.25),
    labels: new Int32Array(64),
    dim: 32,
    gradients: true,
  };
  const call = async (times: number) => {
    for (let k = 0; k < times; k++) {
      marginSoftmax(options);
      await marginSoftmaxAsync(options);
    }
  };
  await call(1000);
  // 20 KiB of outputs each: 80 MiB if half were left behind.
  await expectNoGrowth(16 * MIB, () => call(4000));
});
