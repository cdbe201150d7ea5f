import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { type MarginSoftmaxResult, marginSoftmax } from '../../src/native/index.js';
import { loadAddon } from '../../src/native/load.js';
import { binaryPath, runModule } from './built-package.js';
import { makeProblem } from './problem.js';

/** Loads the addon in a worker and calls it over and over; posts every distinct result as text. */
const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const addon = require(workerData.binaryPath);
  const { call, repeats } = workerData;
  (async () => {
    const seen = new Set();
    for (let k = 0; k < repeats; k++) {
      const loss = new Float32Array(call.labels.length), prediction = new Int32Array(call.labels.length);
      const dEmbeddings = new Float32Array(call.embeddings.length), dWeights = new Float32Array(call.weights.length);
      addon.marginSoftmax({ ...call, loss, prediction, dEmbeddings, dWeights });
      seen.add(JSON.stringify([loss, prediction, dEmbeddings, dWeights].map((array) => Array.from(array))));
      const result = await addon.marginSoftmaxAsync({ ...call, gradients: true });
      const { loss: l, prediction: p, dEmbeddings: dx, dWeights: dw } = result;
      seen.add(JSON.stringify([l, p, dx, dw].map((array) => Array.from(array))));
    }
    parentPort.postMessage([...seen]);
  })();
`;

const problem = makeProblem({ batch: 31, classes: 90, dim: 19 });
const call = {
  ...problem,
  scale: 64,
  m1: 1,
  m2: 0,
  m3: 0.35,
  ignoreLabel: -1,
  reduction: 'mean' as const,
  gradient: 'exact' as const,
};

function textOf({ loss, prediction, dEmbeddings, dWeights }: MarginSoftmaxResult): string {
  return JSON.stringify([loss, prediction, dEmbeddings!, dWeights!].map((array) => Array.from(array)));
}

function runWorker(repeats: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(WORKER, { eval: true, workerData: { binaryPath, call, repeats } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

test('four workers and the main thread at once get the same bits', async () => {
  const options = { ...problem, m3: 0.35, gradients: true };
  const expected = textOf(marginSoftmax(options));
  const workers = Array.from({ length: 4 }, () => runWorker(50));
  for (let k = 0; k < 50; k++) {
    expect(textOf(marginSoftmax(options))).toBe(expected);
    await new Promise(setImmediate);
  }
  for (const seen of await Promise.all(workers)) expect(seen).toEqual([expected]);
});

test('workers that come and go leave the addon usable', async () => {
  for (let k = 0; k < 10; k++) await runWorker(1);
  expect(loadAddon().info().abiVersion).toBe(4);
});

const LARGE = `
  const N = 256, C = 8000, D = 256;
  const call = {
    embeddings: new Float32Array(N * D).fill(0.1), weights: new Float32Array(C * D).fill(0.2), labels: new Int32Array(N),
    dim: D, gradients: true, threads: 1, scale: 64, m1: 1, m2: 0, m3: 0.35, ignoreLabel: -1, reduction: 'mean',
    gradient: 'exact',
  };
`;

test.each([
  ['is terminated', 'await worker.terminate();'],
  ['ends by process.exit', 'worker.postMessage("exit"); await exited;'],
])('a worker that %s in the middle of jobs does no harm', (_, end) => {
  const text = `
    import { Worker } from 'node:worker_threads';
    import { createRequire } from 'node:module';
    ${LARGE}
    const worker = new Worker(\`
      const { parentPort } = require('node:worker_threads');
      const addon = require(${JSON.stringify(binaryPath)});
      parentPort.on('message', (message) => {
        if (message === 'exit') process.exit(0);
        for (let k = 0; k < 6; k++) addon.marginSoftmaxAsync(message);
        parentPort.postMessage('started');
      });
    \`, { eval: true, execArgv: [] });
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(call);
    await new Promise((resolve) => worker.once('message', resolve));
    ${end}
    const addon = createRequire(import.meta.url)(${JSON.stringify(binaryPath)});
    console.log((await addon.marginSoftmaxAsync(call)).counted);
  `;
  const { status, signal, stdout, stderr } = runModule(text);
  expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '256\n', stderr: '' });
});
