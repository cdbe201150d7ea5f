import { expect, test } from 'vitest';
import { marginSoftmax, marginSoftmaxAsync } from '../../src/native/index.js';
import { builtPackage, runModule } from './built-package.js';
import { makeProblem, type Problem } from './problem.js';

const small = { ...makeProblem({ batch: 50, classes: 300, dim: 24 }), m3: 0.35, gradients: true };

function copyOf(problem: Problem): Problem {
  const { embeddings, weights, labels, dim } = problem;
  return { embeddings: embeddings.slice(), weights: weights.slice(), labels: labels.slice(), dim };
}

test('gives the bits of marginSoftmax', async () => {
  expect(await marginSoftmaxAsync(small)).toEqual(marginSoftmax(small));
  const { gradients: _, ...lossOnly } = small;
  expect(await marginSoftmaxAsync(lossOnly)).toEqual(marginSoftmax(lossOnly));
});

test('no samples', async () => {
  const none = { ...small, embeddings: new Float32Array(0), labels: new Int32Array(0) };
  expect(await marginSoftmaxAsync(none)).toEqual(marginSoftmax(none));
});

test('many at once, each with its own results', async () => {
  const problems = Array.from({ length: 20 }, (_, seed) => makeProblem({ batch: 9, classes: 40, dim: 7, seed }));
  const results = await Promise.all(problems.map((problem) => marginSoftmaxAsync({ ...problem, gradients: true })));
  expect(results).toEqual(problems.map((problem) => marginSoftmax({ ...problem, gradients: true })));
});

test('timers tick while a large job runs', async () => {
  const large = makeProblem({ batch: 512, classes: 12_000, dim: 256 });
  const start = performance.now();
  let ticks = 0;
  let longestGap = 0;
  let last = 0;
  const promise = marginSoftmaxAsync({ ...large, gradients: true, threads: 1 });
  last = performance.now(); // the copies of the inputs are made by now
  const timer = setInterval(() => {
    const now = performance.now();
    longestGap = Math.max(longestGap, now - last);
    last = now;
    ticks++;
  }, 2);
  await promise;
  clearInterval(timer);
  const duration = performance.now() - start;
  expect(duration).toBeGreaterThan(50); // else the job is too small to tell anything
  expect(ticks).toBeGreaterThanOrEqual(5);
  expect(longestGap).toBeLessThan(duration / 2);
});

test('whatever is done to the inputs after the call does not reach it', async () => {
  const expected = marginSoftmax(small);
  const mutated = copyOf(small);
  const transferred = copyOf(small);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const grown = { ...small, embeddings: new Float32Array(memory.buffer, 0, small.embeddings.length) };
  grown.embeddings.set(small.embeddings);

  // libuv runs four jobs at a time: these keep the others waiting until the inputs have changed.
  const large = { ...makeProblem({ batch: 128, classes: 4000, dim: 64 }), gradients: true, threads: 1 };
  const busy = Array.from({ length: 4 }, () => marginSoftmaxAsync(large));
  const promises = [mutated, transferred, grown].map((problem) => marginSoftmaxAsync({ ...small, ...problem }));
  mutated.embeddings.fill(Number.NaN);
  mutated.weights.fill(Number.NaN);
  mutated.labels.fill(999_999);
  for (const { buffer } of [transferred.embeddings, transferred.weights, transferred.labels])
    new Int32Array(structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] })).fill(-1);
  grown.embeddings.fill(Number.NaN);
  memory.grow(1);

  expect(transferred.labels).toHaveLength(0);
  for (const result of await Promise.all(promises)) expect(result).toEqual(expected);
  await Promise.all(busy);
});

test('the environment counts as it is at the call', async () => {
  const large = { ...makeProblem({ batch: 128, classes: 4000, dim: 64 }), gradients: true, threads: 1 };
  const busy = Array.from({ length: 4 }, () => marginSoftmaxAsync(large));
  const waiting = marginSoftmaxAsync(small);
  process.env['COSFACE_THREADS'] = 'many';
  try {
    await expect(marginSoftmaxAsync(small)).rejects.toThrow('COSFACE_ENVIRONMENT');
    expect(await waiting).toEqual(marginSoftmax({ ...small, threads: 1 }));
  } finally {
    delete process.env['COSFACE_THREADS'];
    await Promise.all(busy);
  }
});

test('the results belong to the caller: they can be transferred and outlive the job', async () => {
  const { dWeights } = await marginSoftmaxAsync(small);
  const moved = structuredClone(dWeights!, { transfer: [dWeights!.buffer as ArrayBuffer] });
  globalThis.gc!();
  expect(moved).toEqual(marginSoftmax(small).dWeights);
});

const OUT_OF_MEMORY = (use: string) => `
  import { execFileSync } from 'node:child_process';
  import { readFileSync } from 'node:fs';
  import { marginSoftmax, marginSoftmaxAsync } from ${JSON.stringify(builtPackage())};
  const problem = (classes, dim) => ({
    embeddings: new Float32Array(2 * dim), weights: new Float32Array(classes * dim), labels: new Int32Array(2), dim,
  });
  const small = problem(10, 16);
  await marginSoftmaxAsync(small);
  const large = problem(300_000, 512);
  const used = Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[0]) * 4096;
  execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (used + 512 * 2 ** 20)]);
  const call = (options) => ${use};
  try { await call(large); console.log('no error'); } catch (error) { console.log(error.code); }
  console.log((await call(small)).loss.length);
`;

test.runIf(process.platform === 'linux')('no memory for the copies or the results is an error, and no crash', () => {
  for (const use of [
    'marginSoftmaxAsync(options)',
    'marginSoftmaxAsync({ ...options, gradients: true })',
    'marginSoftmax({ ...options, gradients: true })',
  ]) {
    const { status, signal, stdout, stderr } = runModule(OUT_OF_MEMORY(use));
    expect({ use, status, signal, stdout, stderr }).toMatchObject({ status: 0, signal: null });
    expect(stdout.split('\n').slice(0, 2)).toEqual(['COSFACE_OUT_OF_MEMORY', '2']);
  }
});
