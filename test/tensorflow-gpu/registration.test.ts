import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Diagnosis } from '../../src/cli/doctor/diagnose.js';
import type { TensorflowOp, TensorflowRegistration } from '../../src/native/addon.js';
import { loadBinary } from '../../src/native/load.js';
import { resultOf, root, runProgram } from '../tensorflow/run-program.js';
import { describeTensorflow } from '../tensorflow/tfjs-node.js';

interface Outcome {
  usesGpu: boolean;
  registrations: TensorflowRegistration[];
  loss: number;
  gradients: number[][];
  info: TensorflowOp;
}

/** Cosines 1, 0, -1 and 0, 1, 0; scale 2, margin 0.5, so target logits 1. */
const EXPECTED_LOSS = (Math.log(1 + (1 + Math.exp(-2)) / Math.E) + Math.log(1 + 2 / Math.E)) / 2;

/** Without a GPU, also where the machine has one. */
const NO_GPU = { CUDA_VISIBLE_DEVICES: '-1' };

function register(env: Record<string, string>): Outcome {
  return resultOf<Outcome>(
    runProgram('registration', [loadBinary().path], { folder: 'tensorflow-gpu', env: { ...NO_GPU, ...env } }),
  );
}

function buildClaimedDevice(): string {
  const library = join(root, 'build-test', 'claimed-device.node');
  mkdirSync(join(root, 'build-test'), { recursive: true });
  const flags = ['-std=c++20', '-O1', '-shared', '-fPIC', '-Wall', '-Wextra', '-Werror', '-Inative/include'];
  const source = 'test/tensorflow-gpu/claimed-device.cc';
  execFileSync(process.env['CXX'] || 'g++', [...flags, source, '-o', library], { cwd: root, stdio: 'inherit' });
  return library;
}

function expectRightResults({ loss, gradients }: Outcome): void {
  expect(loss).toBeCloseTo(EXPECTED_LOSS, 6);
  // x_0 = w_0 and x_1 = w_1: only the other coordinate of each moves the cosines.
  const [dx, dw] = gradients as [number[], number[]];
  expect(dx).toHaveLength(4);
  expect(dw).toHaveLength(6);
  expect(dx[0]).toBeCloseTo(0, 6);
  expect(dx[3]).toBeCloseTo(0, 6);
  expect(dx[1]).toBeGreaterThan(0.1);
}

describeTensorflow('the op in tfjs-node-gpu, without a GPU', () => {
  test('for the CPU and the GPU: both are registered, once, from whichever thread, and the CPU computes', () => {
    const outcome = register({ COSFACE_CUDA_LIBRARY: buildClaimedDevice() });
    expect(outcome.usesGpu).toBe(false);
    const both = { devices: ['CPU', 'GPU'], gpuReason: null };
    expect(outcome.registrations).toEqual([
      { outcome: 'registered', ...both },
      { outcome: 'already', ...both },
      { outcome: 'already', ...both },
    ]);
    expect(outcome.info).toEqual(both);
    expectRightResults(outcome);
  });

  test('without a CUDA library: for the CPU alone, and the reason is told', () => {
    const outcome = register({ COSFACE_CUDA_LIBRARY: '/nowhere/cosface_cuda.node' });
    expect(outcome.registrations.map(({ devices }) => devices)).toEqual([['CPU'], ['CPU'], ['CPU']]);
    for (const { gpuReason } of outcome.registrations) {
      expect(gpuReason).toMatch(/^there is no CUDA library: \/nowhere\/cosface_cuda\.node/);
    }
    expect(outcome.info).toEqual({ devices: ['CPU'], gpuReason: 'TensorFlow uses no GPU.' });
    expectRightResults(outcome);
  });

  test('a GPU that is asked for in vain is an error', () => {
    const { status, stderr } = runProgram('registration', [loadBinary().path], {
      folder: 'tensorflow-gpu',
      env: { ...NO_GPU, COSFACE_DEVICE: 'cuda', COSFACE_CUDA_LIBRARY: '/nowhere/cosface_cuda.node' },
    });
    expect(status).toBe(1);
    expect(stderr).toContain('COSFACE_DEVICE_UNAVAILABLE');
  });

  test('doctor says what TensorFlow the package has and where the op runs', () => {
    const doctor = ['dist/cli/main.js', 'doctor', '--dir', '.tensorflow-gpu', '--json', '-'];
    const { packages } = JSON.parse(
      execFileSync(process.execPath, doctor, { cwd: root, encoding: 'utf8', env: { ...process.env, ...NO_GPU } }),
    ) as Diagnosis;
    expect(packages.find(({ name }) => name === '@tensorflow/tfjs-node-gpu')).toMatchObject({
      state: 'ready',
      probe: {
        tensorflow: '2.21.0',
        usesGpu: false,
        op: { outcome: 'registered', devices: ['CPU'], gpuReason: 'TensorFlow uses no GPU.' },
      },
    });
  });
});
