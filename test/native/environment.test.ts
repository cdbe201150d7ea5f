import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { binaryPath, builtPackage, runModule } from './built-package.js';

const folder = mkdtempSync(join(tmpdir(), 'cosface-environment-'));
afterAll(() => rmSync(folder, { recursive: true }));

const REPORT = `
  import { backendInfo, marginSoftmax } from ${JSON.stringify(builtPackage())};
  const outcome = (call) => { try { return call(); } catch ({ code, message, argument }) { return { code, message, argument }; } };
  const problem = { embeddings: Float32Array.of(1, 2), weights: Float32Array.of(1, 0, 0, 1), labels: Int32Array.of(0), dim: 2 };
  console.log(JSON.stringify({
    info: outcome(() => backendInfo()),
    loss: outcome(() => Array.from(marginSoftmax(problem).loss)),
  }));
`;

/** Whether there is a GPU here must not matter. */
const noCuda = join(folder, 'missing_cuda.node');

function report(env: Record<string, string>): { info: Record<string, unknown>; loss: unknown } {
  const { status, stdout, stderr } = runModule(REPORT, { COSFACE_CUDA_LIBRARY: noCuda, ...env });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return JSON.parse(stdout);
}

const plain = report({});

test('without any: the best there is', () => {
  expect(plain.info).toMatchObject({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    binary: binaryPath,
    abi: 4,
    isas: expect.arrayContaining(['scalar']),
    device: 'cpu',
    cuda: { available: false, reason: expect.stringContaining('there is no CUDA library') },
    driver: null,
    reasons: [],
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  });
  expect(plain.info['isa']).toBe((plain.info['isas'] as string[]).at(-1));
  expect(plain.info['bf16']).toBe(plain.info['isa'] === 'avx512_bf16' ? 'native' : 'converted');
  expect(plain.info['threads']).toBeGreaterThanOrEqual(1);
  expect(plain.loss).toHaveLength(1);
});

test('empty ones count as unset', () => {
  const empty = {
    COSFACE_BINARY: '',
    COSFACE_BACKEND: '',
    COSFACE_DEVICE: '',
    COSFACE_ISA: '',
    COSFACE_THREADS: '',
    COSFACE_DEBUG: '',
  };
  expect(report(empty)).toEqual(plain);
});

test('COSFACE_ISA caps the instruction set', () => {
  const { info, loss } = report({ COSFACE_ISA: 'scalar' });
  expect(info).toMatchObject({ isa: 'scalar', bf16: 'converted' });
  expect((loss as number[])[0]).toBeCloseTo((plain.loss as number[])[0]!, 4);
});

test('COSFACE_THREADS sets the threads', () => {
  // 1000 workers do not fit into the 64 MiB of a call by default; what is reported is the number asked for.
  for (const threads of [3, 1000])
    expect(report({ COSFACE_THREADS: `${threads}` })).toEqual({ ...plain, info: { ...plain.info, threads } });
});

test('COSFACE_BINARY names the binary', () => {
  const copy = join(folder, 'copy.node');
  copyFileSync(binaryPath, copy);
  expect(report({ COSFACE_BINARY: copy })).toEqual({ ...plain, info: { ...plain.info, binary: copy } });
});

test('COSFACE_BINARY is the only place looked at', () => {
  const missing = join(folder, 'missing.node');
  const { info, loss } = report({ COSFACE_BINARY: missing });
  expect(info).toMatchObject({ binary: null, abi: null, isa: null, isas: [], bf16: null, threads: null });
  expect((info['reasons'] as string[])[0]).toContain(missing);
  expect(loss).toMatchObject({ code: 'COSFACE_NO_BINARY', message: expect.stringContaining('MODULE_NOT_FOUND') });
  expect((loss as Error).message).not.toContain('build/Release');
});

test('COSFACE_BACKEND=js forbids the binary', () => {
  const { info, loss } = report({ COSFACE_BACKEND: 'js' });
  expect(info).toMatchObject({ binary: null, reasons: [expect.stringContaining('COSFACE_BACKEND is js')] });
  expect(loss).toMatchObject({ code: 'COSFACE_NO_BINARY', argument: 'COSFACE_BACKEND' });
});

test('COSFACE_BACKEND=native makes a missing binary an error of backendInfo too', () => {
  const { info } = report({ COSFACE_BACKEND: 'native', COSFACE_BINARY: join(folder, 'missing.node') });
  expect(info).toMatchObject({ code: 'COSFACE_NO_BINARY' });
  expect(report({ COSFACE_BACKEND: 'native' })).toEqual(plain);
});

test('COSFACE_DEVICE=cuda is an error that says why', () => {
  const { info, loss } = report({ COSFACE_DEVICE: 'cuda' });
  for (const error of [info, loss])
    expect(error).toMatchObject({
      code: 'COSFACE_DEVICE_UNAVAILABLE',
      argument: 'COSFACE_DEVICE',
      message: expect.stringContaining(noCuda),
    });
  expect(report({ COSFACE_DEVICE: 'cpu' })).toEqual(plain);
});

describe('a value that is none', () => {
  test.each([
    ['COSFACE_BACKEND', 'wasm'],
    ['COSFACE_DEVICE', 'gpu'],
    ['COSFACE_DEVICE', 'cuda:'],
    ['COSFACE_DEVICE', 'cuda:-1'],
    ['COSFACE_ISA', 'avx9'],
    ['COSFACE_THREADS', 'many'],
    ['COSFACE_THREADS', '0'],
    ['COSFACE_THREADS', '-1'],
    ['COSFACE_THREADS', '2.5'],
    ['COSFACE_THREADS', ' 2'],
    ['COSFACE_DEBUG', 'explain'],
    ['COSFACE_DEBUG', 'plans'],
  ])('%s=%s', (name, value) => {
    const { info, loss } = report({ [name]: value });
    for (const error of [info, loss])
      expect(error).toMatchObject({ code: 'COSFACE_ENVIRONMENT', message: expect.stringContaining(`'${value}'`) });
    expect((loss as Error).message).toContain(name);
  });
});

test('COSFACE_DEBUG=plan prints the plan of a call', () => {
  const { status, stderr } = runModule(REPORT, { COSFACE_DEBUG: 'plan' });
  expect(status).toBe(0);
  expect(stderr).toMatch(/plan/);
});
