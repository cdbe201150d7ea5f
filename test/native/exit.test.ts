import { expect, test } from 'vitest';
import { binaryPath, runModule } from './built-package.js';

/** Starts more jobs than libuv has threads, so that some run and some wait when `end` comes. */
function endingWith(end: string): string {
  return `
    import { createRequire } from 'node:module';
    const addon = createRequire(import.meta.url)(${JSON.stringify(binaryPath)});
    const N = 256, C = 8000, D = 256;
    const call = {
      embeddings: new Float32Array(N * D).fill(0.1), weights: new Float32Array(C * D).fill(0.2),
      labels: new Int32Array(N), dim: D, gradients: true, scale: 64, m1: 1, m2: 0, m3: 0.35, ignoreLabel: -1,
      reduction: 'mean', gradient: 'exact',
    };
    let done = 0;
    const start = performance.now();
    for (let k = 0; k < 6; k++) addon.marginSoftmaxAsync(call).then(() => done++);
    process.on('exit', () => console.log('done', done));
    ${end}
  `;
}

test.each([
  ['process.exit at once', 'process.exit(7);', 7],
  ['process.exit while they run', 'setTimeout(() => process.exit(3), 20);', 3],
  ['an uncaught error', "setTimeout(() => { throw new Error('mine'); }, 20);", 1],
])('%s, jobs in flight: the status asked for and no signal', (_, end, wanted) => {
  const { status, signal, stdout } = runModule(endingWith(end));
  expect({ status, signal }).toEqual({ status: wanted, signal: null });
  expect(stdout).not.toContain('done 6');
});

test('without an exit the process waits for its jobs', () => {
  const { status, signal, stdout } = runModule(endingWith(''));
  expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: 'done 6\n' });
});
