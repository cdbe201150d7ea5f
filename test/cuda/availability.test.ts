import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { runCli } from '../cli/run-cli.js';
import { binaryPath, builtPackage, runModule } from '../native/built-package.js';
import { describeEmulated, emulatedGpu } from './emulated-gpu.js';

const folder = mkdtempSync(join(tmpdir(), 'cosface-cuda-'));
afterAll(() => rmSync(folder, { recursive: true }));

const REPORT = `
  import { backendInfo, marginSoftmax } from ${JSON.stringify(builtPackage())};
  const problem = { embeddings: Float32Array.of(1, 2), weights: Float32Array.of(1, 0, 0, 1), labels: Int32Array.of(0), dim: 2 };
  const outcome = (device) => {
    try { return { loss: Array.from(marginSoftmax({ ...problem, device }).loss) }; } catch ({ code, message }) { return { code, message }; }
  };
  console.log(JSON.stringify({ info: backendInfo(), auto: outcome('auto'), cpu: outcome('cpu'), cuda: outcome('cuda') }));
`;

interface Report {
  info: { device: string; driver: string | null; cuda: { available: boolean; reason: string | null } };
  auto: { loss: number[] };
  cpu: { loss: number[] };
  cuda: { loss: number[] } | { code: string; message: string };
}

function report(env: Record<string, string>): Report {
  const { status, stdout, stderr } = runModule(REPORT, { ...emulatedGpu, ...env });
  expect({ status, stderr }).toMatchObject({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** What the environment pretends, and words of the reason that must come of it. */
const REASONS: [string, Record<string, string>, string][] = [
  ['no library', { COSFACE_CUDA_LIBRARY: join(folder, 'none.node') }, 'there is no CUDA library'],
  ['a library of another kind', { COSFACE_CUDA_LIBRARY: binaryPath }, 'is no CUDA library of cosface'],
  ['no driver', { COSFACE_CUDA_DRIVER: 'libcuda-that-is-not-there.so' }, 'there is no NVIDIA driver'],
  ['a driver that is none', { COSFACE_CUDA_DRIVER: 'libm.so.6' }, 'lacks cuInit'],
  ['an old driver', { COSFACE_EMULATOR_DEVICE: 'driver=11080' }, 'the NVIDIA driver is too old: it is for CUDA 11.8'],
  ['no device', { COSFACE_EMULATOR_DEVICE: 'count=0' }, 'sees no GPU'],
  ['a driver that does not start', { COSFACE_EMULATOR_FAIL: 'cuInit:999' }, 'cannot start'],
  ['another architecture', { COSFACE_EMULATOR_FAIL: 'cuModuleLoadData:209' }, 'no kernels for a GPU'],
  ['no memory for a context', { COSFACE_EMULATOR_FAIL: 'cuDevicePrimaryCtxRetain:2' }, 'too little free memory'],
];

describeEmulated('whether there is a GPU', () => {
  test('there is one, emulated: backendInfo describes it, auto and cuda use it', () => {
    const { info, auto, cpu, cuda } = report({ COSFACE_EMULATOR_DEVICE: 'name=Two of a kind,count=2,driver=12080' });
    expect(info).toMatchObject({
      device: 'cuda',
      driver: '12.8',
      cuda: {
        available: true,
        reason: null,
        device: 'cuda:0',
        devices: 2,
        name: 'Two of a kind',
        architecture: 'sm_90',
      },
    });
    expect(auto).toEqual(cuda);
    expect(auto.loss[0]).toBeCloseTo(cpu.loss[0]!, 5);
  });

  test('COSFACE_DEVICE=cuda:1 names the second', () => {
    const { info } = report({ COSFACE_EMULATOR_DEVICE: 'count=2', COSFACE_DEVICE: 'cuda:1' });
    expect(info).toMatchObject({ device: 'cuda', cuda: { device: 'cuda:1' } });
  });

  describe.each(REASONS)('%s', (_, env, words) => {
    test('is the reason in backendInfo; auto takes the CPU, cuda is an error', () => {
      const { info, auto, cpu, cuda } = report(env);
      expect(info).toMatchObject({ device: 'cpu', driver: null, cuda: { available: false } });
      expect(info.cuda.reason).toContain(words);
      expect(auto).toEqual(cpu);
      expect(cuda).toMatchObject({ code: 'COSFACE_DEVICE_UNAVAILABLE', message: expect.stringContaining(words) });
    });

    test('is told by cosface doctor, whose kernels work all the same', () => {
      const { status, stdout } = runCli(['doctor', '--dir', folder], { ...emulatedGpu, ...env });
      expect(status).toBe(0);
      expect(stdout).toMatch(/CUDA +none: /);
      expect(stdout).toContain(words);
    });
  });

  test('cosface doctor describes the GPU and computes on it', () => {
    const { status, stdout } = runCli(['doctor', '--dir', folder], { ...emulatedGpu });
    expect(status).toBe(0);
    expect(stdout).toMatch(/CUDA +cuda:0 of 1: Emulated GPU, sm_90, 4 multiprocessors/);
  });

  test('too little memory for a call: an error with figures for cuda, the CPU for auto', () => {
    const text = `
      import { marginSoftmax } from ${JSON.stringify(builtPackage())};
      const problem = { embeddings: new Float32Array(64).fill(1), weights: new Float32Array(64 * 30000).fill(1), labels: Int32Array.of(0), dim: 64 };
      const of = (device) => marginSoftmax({ ...problem, device }).loss[0];
      let code; try { of('cuda'); } catch (error) { code = error.code + ' ' + error.message; }
      console.log(code, of('auto') === of('cpu'));
    `;
    const { stdout, stderr } = runModule(text, { ...emulatedGpu, COSFACE_EMULATOR_DEVICE: 'memory_mib=4' });
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^COSFACE_OUT_OF_MEMORY .*MiB more are needed, 4 of 4 MiB are free.* true\n$|^COSFACE_OUT_OF_MEMORY .*are free.* true\n$/,
    );
  });

  test('a GPU that fails during a call is an error, for auto too', () => {
    const { status, stdout } = runModule(
      `import { marginSoftmax } from ${JSON.stringify(builtPackage())};
       const problem = { embeddings: Float32Array.of(1), weights: Float32Array.of(1), labels: Int32Array.of(0), dim: 1 };
       for (const device of ['auto', 'cuda']) try { marginSoftmax({ ...problem, device }); } catch ({ code, message }) { console.log(code, message); }`,
      { ...emulatedGpu, COSFACE_EMULATOR_FAIL: 'cuLaunchKernel:719' },
    );
    expect(status).toBe(0);
    expect(stdout.match(/^COSFACE_DEVICE_FAILED .*The GPU is lost to this process/gm)).toHaveLength(2);
  });
});

const JOBS = (end: string) => `
  import { marginSoftmaxAsync } from ${JSON.stringify(builtPackage())};
  const problem = { embeddings: new Float32Array(64).fill(0.1), weights: new Float32Array(80).fill(0.2), labels: new Int32Array(8), dim: 8 };
  let done = 0;
  for (let k = 0; k < 6; k++) marginSoftmaxAsync({ ...problem, device: 'cuda', gradients: true }).then(() => done++);
  process.on('exit', () => console.log('done', done));
  ${end}
`;

describeEmulated('a process with the emulated GPU', () => {
  test.each([
    ['process.exit at once', 'process.exit(7);', 7],
    ['process.exit while jobs run', 'setTimeout(() => process.exit(3), 30);', 3],
    ['the end of its jobs', '', 0],
  ])('ends by %s, with the status asked for and no signal', (_, end, wanted) => {
    const { status, signal, stderr } = runModule(JOBS(end), { ...emulatedGpu });
    expect({ status, signal, stderr }).toEqual({ status: wanted, signal: null, stderr: '' });
  });

  test('two copies of the addon share the GPU', () => {
    const copy = join(folder, 'copy.node');
    copyFileSync(binaryPath, copy);
    const text = `
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      const call = {
        embeddings: Float32Array.of(1, 2), weights: Float32Array.of(1, 0, 0, 1), labels: Int32Array.of(0), dim: 2, scale: 64, m1: 1, m2: 0, m3: 0,
        ignoreLabel: -1, reduction: 'mean', gradient: 'exact', device: 'cuda', gradients: true,
      };
      const [first, second] = [${JSON.stringify(binaryPath)}, ${JSON.stringify(copy)}].map((path) => require(path));
      const results = await Promise.all([first, second].map((addon) => addon.marginSoftmaxAsync(call)));
      first.releaseWorkspace();
      results.push(await second.marginSoftmaxAsync(call));
      second.releaseWorkspace();
      const { memoryBytes, freeBytes } = first.cuda(0);
      console.log(new Set(results.map(({ loss, dWeights }) => JSON.stringify([loss, dWeights]))).size, memoryBytes - freeBytes);
    `;
    const { stdout, stderr } = runModule(text, { ...emulatedGpu });
    expect({ stdout, stderr }).toEqual({ stdout: '1 0\n', stderr: '' });
  });

  test('workers share it, and may be ended while they run', () => {
    const worker = `
      import { marginSoftmax, marginSoftmaxAsync, ResidentWeights } from ${JSON.stringify(pathToFileURL(builtPackage()).href)};
      import { parentPort } from 'node:worker_threads';
      const problem = { embeddings: new Float32Array(8).fill(0.1), weights: new Float32Array(40).fill(0.2), labels: new Int32Array(2), dim: 4, device: 'cuda', gradients: true };
      const weights = new ResidentWeights({ weights: problem.weights, dim: 4 });
      parentPort.postMessage(Array.from(marginSoftmax(problem).loss).join());
      for (;;) await marginSoftmaxAsync(problem);
    `;
    const text = `
      import { Worker } from 'node:worker_threads';
      const url = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}));
      const workers = Array.from({ length: 3 }, () => new Worker(url));
      const losses = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))));
      await Promise.all(workers.map((worker) => worker.terminate()));
      console.log(new Set(losses).size);
    `;
    const { status, signal, stdout, stderr } = runModule(text, { ...emulatedGpu });
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: '1\n', stderr: '' });
  });
});
