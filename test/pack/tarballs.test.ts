import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '../native/built-package.js';
import { BareMachine, fetchNode, type Registry, startRegistry, tarballFolder, tarballs } from './bare-machine.js';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const MAIN = `cosface-${version}.tgz`;
const here = tarballs();
const ADDONS = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'darwin-arm64'].map(
  (name) => `cosface-${name}-${version}.tgz`,
);
const CUDA = `cosface-linux-x64-cuda-${version}.tgz`;

/** Without them there is nothing to test: `npm run prebuild -- --cuda` makes them, as CI does. */
const describePacked = [MAIN, ...ADDONS].every((name) => here.includes(name)) ? describe : describe.skip;

const MB = 1e6;
const filesOf = (name: string) =>
  execFileSync('tar', ['tzf', join(tarballFolder, name)], { encoding: 'utf8' })
    .trim()
    .split('\n');
const manifestOf = (name: string) =>
  JSON.parse(execFileSync('tar', ['xzOf', join(tarballFolder, name), 'package/package.json'], { encoding: 'utf8' }));

const runBin = (name: string, args: readonly string[]) =>
  spawnSync(join(root, 'node_modules', '.bin', name), args, {
    encoding: 'utf8',
    cwd: root,
    env: { ...process.env, NO_COLOR: '1' },
  });

describePacked('what is in the tarballs', () => {
  test('publint has nothing to say against them, nor attw against the types', { timeout: 300_000 }, () => {
    for (const name of here) {
      const { status, stdout } = runBin('publint', ['--strict', join(tarballFolder, name)]);
      expect(status, `${name}: ${stdout}`).toBe(0);
      expect(stdout, name).toContain('All good!');
    }
    const types = runBin('attw', ['--profile', 'esm-only', '--no-emoji', join(tarballFolder, MAIN)]);
    expect(types.status, types.stdout).toBe(0);
  });

  test('nothing that npm would compile or run', () => {
    for (const name of here) {
      expect(
        filesOf(name).filter((file) => file.endsWith('binding.gyp')),
        name,
      ).toEqual([]);
      const { scripts = {} } = manifestOf(name);
      expect(scripts, name).toEqual({});
    }
    expect(filesOf(MAIN).filter((file) => file.endsWith('.node'))).toEqual([]);
    expect(manifestOf(MAIN).gypfile).toBe(false);
  });

  test('each platform package has its binary and little else', () => {
    for (const name of here.filter((one) => one !== MAIN))
      expect(filesOf(name).sort(), name).toEqual(
        [
          'package/README.md',
          `package/${name === CUDA ? 'cosface_cuda' : 'cosface'}.node`,
          'package/package.json',
        ].sort(),
      );
  });

  test('the main package wants just these, by their very version', () => {
    const { optionalDependencies } = manifestOf(MAIN);
    const names = readdirSync(join(root, 'packages')).map((name) => `@cosface/${name}`);
    expect(optionalDependencies).toEqual(Object.fromEntries(names.map((name) => [name, version])));
  });

  test('sizes: 3 MB, the CUDA library 15', () => {
    for (const name of here)
      expect(statSync(join(tarballFolder, name)).size, name).toBeLessThan((name === CUDA ? 15 : 3) * MB);
  });
});

const VERSIONS = ['20', '22', '24', '26'];

const ESM = `
import { marginSoftmax, backendInfo } from 'cosface/native';
const { loss } = marginSoftmax({
  embeddings: Float32Array.of(1, 0), weights: Float32Array.of(1, 0, 0, 1), labels: Int32Array.of(0), dim: 2, scale: 1,
});
console.log(JSON.stringify({ loss: loss[0], binary: backendInfo().binary }));
`;
const CJS = `
const { marginSoftmax } = require('cosface/native');
console.log(typeof marginSoftmax);
`;
const TS = `
import * as tf from '@tensorflow/tfjs-core';
import { cosFaceHead, cosFaceLoss } from 'cosface';
import { marginSoftmax } from 'cosface/native';
const loss: tf.Tensor = cosFaceLoss(tf.ones([2, 4]), tf.ones([3, 4]), tf.tensor1d([0, 1], 'int32'), { scale: 16 });
const { loss: own }: { loss: Float32Array } = marginSoftmax({
  embeddings: new Float32Array(8), weights: new Float32Array(12), labels: new Int32Array(2), dim: 4,
});
export const all = [cosFaceHead({ numClasses: 3 }), loss, own];
`;

describePacked('installed from a registry, on a machine with Node and npm alone', () => {
  let registry: Registry;
  let machine: BareMachine;
  let app: string;

  beforeAll(async () => {
    registry = await startRegistry();
    machine = new BareMachine(registry.url);
    app = machine.folder('app');
    writeFileSync(join(app, 'package.json'), '{ "private": true }\n');
    writeFileSync(join(app, 'esm.mjs'), ESM);
    writeFileSync(join(app, 'cjs.cjs'), CJS);
    writeFileSync(join(app, 'typed.ts'), TS);
    const installed = machine.run(app, 'npm', [
      'install',
      'cosface',
      '@tensorflow/tfjs-core@4',
      '@tensorflow/tfjs-layers@4',
    ]);
    expect(installed.status, installed.stderr).toBe(0);
    expect(installed.stderr).not.toMatch(/npm (warn|error)/i);
  }, 300_000);
  afterAll(() => registry?.stop());

  test('it has no compiler', () => {
    for (const name of ['cc', 'c++', 'g++', 'make', 'python3', 'cmake'])
      expect(machine.run(app, 'sh', ['-c', `command -v ${name}`]).status, name).not.toBe(0);
  });

  const platformPackages = () => readdirSync(join(app, 'node_modules', '@cosface')).sort();

  test('npm has taken the packages of this system and no others, and does so again from the lockfile', {
    timeout: 300_000,
  }, () => {
    expect(platformPackages()).toEqual(['linux-x64-cuda', 'linux-x64-gnu']);
    rmSync(join(app, 'node_modules'), { recursive: true });
    const { status, stderr } = machine.run(app, 'npm', ['ci']);
    expect(status, stderr).toBe(0);
    expect(stderr).not.toMatch(/npm (warn|error)/i);
    expect(platformPackages()).toEqual(['linux-x64-cuda', 'linux-x64-gnu']);
  });

  test.each(VERSIONS)(
    'Node %s: import, a loss by the native kernel, require where Node can, doctor',
    { timeout: 300_000 },
    (major) => {
      const other = new BareMachine(registry.url, fetchNode(major));
      const esm = other.run(app, 'node', ['esm.mjs']);
      expect(esm.status, esm.stderr).toBe(0);
      const { loss, binary } = JSON.parse(esm.stdout);
      expect(loss).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
      expect(binary).toBe(join(app, 'node_modules', '@cosface', 'linux-x64-gnu', 'cosface.node'));
      const cjs = other.run(app, 'node', ['cjs.cjs']);
      expect(cjs.stdout, cjs.stderr).toBe('function\n');
      const doctor = other.run(app, 'npx', ['cosface', 'doctor', '--json', '-']);
      expect(doctor.status, doctor.stderr).toBe(0);
      expect(JSON.parse(doctor.stdout)).toMatchObject({ ok: true, core: { version, binary } });
    },
  );

  test.each(['nodenext', 'bundler'])('its types hold under moduleResolution %s', { timeout: 120_000 }, (resolution) => {
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022'];
    const module = resolution === 'nodenext' ? 'nodenext' : 'esnext';
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const args = [tsc, ...options, '--module', module, '--moduleResolution', resolution, 'typed.ts'];
    const { status, stdout } = machine.run(app, 'node', args);
    expect(status, stdout).toBe(0);
  });

  test('importing cosface/native takes less than 50 ms', () => {
    const program =
      "const start = performance.now(); await import('cosface/native'); console.log(performance.now() - start)";
    const times = Array.from({ length: 7 }, () =>
      Number(machine.run(app, 'node', ['--input-type=module', '-e', program]).stdout),
    );
    expect(Math.min(...times)).toBeLessThan(50);
  });

  test('without the platform package: tensors by composed operations and one warning, typed arrays by an error that lists every step', {
    timeout: 300_000,
  }, () => {
    rmSync(join(app, 'node_modules', '@cosface'), { recursive: true });
    const program = `
      import * as tf from '@tensorflow/tfjs-core';
      import { cosFaceLoss } from 'cosface';
      await import('@tensorflow/tfjs-backend-wasm');
      await tf.setBackend('wasm');
      const loss = () => cosFaceLoss(tf.tensor2d([[1, 0]]), tf.tensor2d([[1, 0], [0, 1]]), tf.tensor1d([0], 'int32'), { scale: 8, margin: 0 });
      console.log(loss().dataSync()[0], loss().dataSync()[0]);`;
    const { status, stdout, stderr } = machine.run(app, 'node', ['--input-type=module', '-e', program]);
    expect(status, stderr).toBe(0);
    for (const value of stdout.trim().split(' ')) expect(Number(value)).toBeCloseTo(Math.log1p(Math.exp(-8)), 6);
    expect(stderr.match(/COSFACE_COMPOSED_FALLBACK/g), stderr).toHaveLength(1);
    const native = machine.run(app, 'node', ['esm.mjs']);
    expect(native.status).toBe(1);
    for (const words of [
      'COSFACE_NO_BINARY',
      'build/Release/cosface.node',
      '@cosface/linux-x64-gnu',
      'npm install --include=optional',
    ])
      expect(native.stderr).toContain(words);
    expect(existsSync(join(app, 'node_modules', 'cosface', 'binding.gyp'))).toBe(false);
  });
});

const qemu = spawnSync('qemu-aarch64', ['--version']).status === 0;
const libraries = '/usr/aarch64-linux-gnu';

describePacked('the addon for arm64', () => {
  test.skipIf(!qemu || !existsSync(`${libraries}/lib/libstdc++.so.6`))(
    'gives a loss in a Node for arm64, emulated',
    { timeout: 300_000 },
    () => {
      const node = join(fetchNode('22', 'arm64'), 'node');
      const binary = join(root, 'packages', 'linux-arm64-gnu', 'cosface.node');
      const folder = mkdtempSync(join(tmpdir(), 'cosface-arm64-'));
      writeFileSync(
        join(folder, 'esm.mjs'),
        ESM.replace("'cosface/native'", JSON.stringify(join(root, 'dist', 'native', 'index.js'))),
      );
      const { status, stdout, stderr } = spawnSync('qemu-aarch64', ['-L', libraries, node, join(folder, 'esm.mjs')], {
        encoding: 'utf8',
        env: { ...process.env, COSFACE_BINARY: binary },
      });
      rmSync(folder, { recursive: true });
      expect(status, stderr).toBe(0);
      const found = JSON.parse(stdout);
      expect(found.loss).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
      expect(found.binary).toBe(binary);
    },
  );
});
