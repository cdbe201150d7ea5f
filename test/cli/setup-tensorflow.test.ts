import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkPlatform } from '../../src/cli/setup-tensorflow/check-platform.js';
import { readRecord } from '../../src/cli/setup-tensorflow/extract-wheel.js';
import { isWheelFor, KNOWN_WHEELS, wheelRequest } from '../../src/cli/setup-tensorflow/wheels.js';
import { addBarePackage, type CliOutcome, root, runCli, temporaryProject } from './run-cli.js';

const KNOWN = 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl';
/** Nothing listens there. */
const NO_INDEX = 'http://127.0.0.1:9/simple';

let project: string;
let cache: string;
beforeEach(() => {
  project = temporaryProject();
  cache = join(project, 'cache');
});
afterEach(() => rmSync(project, { recursive: true }));

function setUp(args: string[] = [], env: Record<string, string> = {}): CliOutcome {
  return runCli(['setup-tensorflow', '--dir', project, ...args], {
    COSFACE_CACHE: cache,
    PIP_INDEX_URL: NO_INDEX,
    ...env,
  });
}

/** A folder for PATH with programs that are shell scripts. */
function programs(scripts: Record<string, string>): string {
  const folder = join(project, 'bin');
  mkdirSync(folder);
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

const PYTHON_311 = 'case "$*" in *version_info*) echo 3 11;; *"pip --version"*) echo pip;; *) exit 1;; esac';

/** A zip file by Python, with the files of a wheel and its RECORD; `forged` gets a hash that is not its own. */
function makeWheel(name: string, files: Record<string, string>, forged = ''): string {
  const path = join(project, name);
  const script = `
import base64, hashlib, json, sys, zipfile
path, files, forged = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as wheel:
    record = ''
    for name, text in files.items():
        wheel.writestr(name, text)
        digest = hashlib.sha256((text + ('!' if name == forged else '')).encode()).digest()
        record += f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},{len(text)}\\n"
    wheel.writestr('tensorflow_cpu-9.9.9.dist-info/RECORD', record)
`;
  execFileSync('python3', ['-c', script, path, JSON.stringify(files), forged]);
  return path;
}

const LIBRARIES = { 'tensorflow/libtensorflow_cc.so.2': 'cc', 'tensorflow/libtensorflow_framework.so.2': 'framework' };

test('nothing on the PATH: Python is asked for', () => {
  const { status, stderr } = setUp([], { PATH: '' });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^COSFACE_SETUP: no Python 3\.9 or later was found \(tried python3, python, .*apt install python3/,
  );
});

test('a Python that is too old does not count', () => {
  const { stderr } = setUp([], { PATH: programs({ python3: 'echo 3 8' }) });
  expect(stderr).toContain('no Python 3.9 or later was found');
});

test.each([
  ['a C++ compiler', { python3: PYTHON_311, make: '' }, 'no C++ compiler was found (tried g++)'],
  ['make', { python3: PYTHON_311, 'g++': '' }, 'make was not found; node-gyp needs it'],
  [
    'npm',
    { python3: PYTHON_311, 'g++': '', make: '' },
    'npm was not found, which is to run: npm install --ignore-scripts',
  ],
])('without %s', (_, scripts, message) => {
  const { status, stderr } = setUp([], { PATH: programs(scripts as Record<string, string>) });
  expect(status).toBe(1);
  expect(stderr).toContain(`COSFACE_SETUP: ${message}`);
});

test('without pip', () => {
  addBarePackage(project);
  const python3 = 'case "$*" in *version_info*) echo 3 11;; *) exit 1;; esac';
  const { status, stderr } = setUp([], { PATH: programs({ python3, 'g++': '', make: '' }) });
  expect(status).toBe(1);
  expect(stderr).toMatch(/python3 \(Python 3\.11\) has no pip, which is to download tensorflow.*--wheel/);
});

test('a folder that is no project is left alone', () => {
  rmSync(join(project, 'package.json'));
  const { status, stderr } = setUp();
  expect(status).toBe(1);
  expect(stderr).toContain('has no package.json, so it is no project. Run: npm init -y');
});

test('another version of tfjs-node', () => {
  addBarePackage(project, '3.21.0');
  expect(setUp().stderr).toContain('Run: npm install --ignore-scripts @tensorflow/tfjs-node@4.22.0');
});

test('without network: what pip said, and the way around; the next run finds no half download', () => {
  addBarePackage(project);
  const { status, stderr } = setUp();
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /pip could not download tensorflow\S*==2\.21\.0 for (x86_64|aarch64):\n[\s\S]*Check the network[\s\S]*--wheel/,
  );
  expect(execFileSync('ls', [cache], { encoding: 'utf8' })).toBe('');
});

test('a wheel in the cache that does not have its hash is not used', () => {
  addBarePackage(project);
  mkdirSync(cache);
  const { distribution, architecture } = wheelRequest('2.21.0', false);
  const name = `${distribution.replace('-', '_')}-2.21.0-cp311-cp311-manylinux_2_27_${architecture}.whl`;
  writeFileSync(join(cache, name), 'damaged');
  writeFileSync(join(cache, `${name}.sha256`), `${KNOWN_WHEELS[name]?.sha256}\n`);
  expect(setUp().stderr).toContain('pip could not download');
  expect(existsSync(join(cache, name))).toBe(false);
});

test('a wheel that is not there', () => {
  addBarePackage(project);
  expect(setUp(['--wheel', join(project, 'none.whl')]).stderr).toMatch(/the wheel \S+none\.whl does not exist/);
});

test('a wheel with a known name and other contents', () => {
  addBarePackage(project);
  const wheel = join(project, KNOWN);
  writeFileSync(wheel, 'damaged');
  expect(setUp(['--wheel', wheel]).stderr).toMatch(/has SHA-256 \w{64}, expected 2b847d21\w+: it is damaged/);
});

test('a wheel that was cut short', () => {
  addBarePackage(project);
  const wheel = makeWheel('tensorflow_cpu-9.9.9-cp311-cp311-linux_x86_64.whl', LIBRARIES);
  execFileSync('truncate', ['--size=-40', wheel]);
  const { status, stderr } = setUp(['--wheel', wheel]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^COSFACE_SETUP: the wheel \S+ is damaged: .*Delete it and run again/);
});

test('a file in the wheel that differs from RECORD: nothing is put in place', () => {
  const folder = addBarePackage(project);
  const forged = 'tensorflow/libtensorflow_cc.so.2';
  const wheel = makeWheel('tensorflow_cpu-9.9.9-cp311-cp311-linux_x86_64.whl', LIBRARIES, forged);
  expect(setUp(['--wheel', wheel]).stderr).toContain(`is damaged: ${forged} differs from its hash`);
  expect(execFileSync('ls', [folder], { encoding: 'utf8' })).toBe('package.json\n');
});

test('a wheel of something else', () => {
  addBarePackage(project);
  const wheel = makeWheel('numpy-2.0.0-cp311-cp311-linux_x86_64.whl', { 'numpy/core.py': '' });
  expect(setUp(['--wheel', wheel]).stderr).toContain('it is not the Linux wheel of TensorFlow 2.12.1 or later');
});

test('a build that fails: the compiler’s words and the file with all of them', () => {
  const folder = addBarePackage(project);
  const real = join(root, 'node_modules', '@tensorflow', 'tfjs-node');
  for (const part of ['binding', 'binding.gyp', 'package.json'])
    cpSync(join(real, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules', '@mapbox'), join(project, 'node_modules', '@mapbox'));
  const wheel = makeWheel('tensorflow_cpu-9.9.9-cp311-cp311-linux_x86_64.whl', LIBRARIES);
  const { status, stderr } = setUp(['--wheel', wheel]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/could not be built:\n[\s\S]*c_api\.h: No such file[\s\S]*All of it: \S+cosface-build\.log/);
  expect(existsSync(join(folder, 'cosface-build.log'))).toBe(true);
  expect(existsSync(join(folder, 'deps', 'lib', 'libtensorflow.so.2.9.1'))).toBe(true);
});

test('systems without a TensorFlow wheel that serves are told so', () => {
  const unsupported = /only linux-x64 and linux-arm64 with glibc are supported/;
  expect(() => checkPlatform({ platform: 'darwin', arch: 'arm64', glibc: undefined })).toThrow(unsupported);
  expect(() => checkPlatform({ platform: 'linux', arch: 'x64', glibc: undefined })).toThrow('linux-x64 without glibc');
  expect(() => checkPlatform({ platform: 'linux', arch: 'ia32', glibc: '2.36' })).toThrow(unsupported);
  expect(() => checkPlatform({ platform: 'linux', arch: 'arm64', glibc: '2.17' })).toThrow(
    'glibc is 2.17; the TensorFlow wheels need 2.27',
  );
  checkPlatform({ platform: 'linux', arch: 'arm64', glibc: '2.27' });
  checkPlatform({ platform: 'linux', arch: 'x64', glibc: '3.0' });
});

test('which wheel serves', () => {
  expect(wheelRequest('2.21.0', false, 'x64')).toMatchObject({
    distribution: 'tensorflow-cpu',
    architecture: 'x86_64',
  });
  expect(wheelRequest('2.21.0', true, 'x64')).toMatchObject({ distribution: 'tensorflow', architecture: 'x86_64' });
  expect(wheelRequest('2.21.0', false, 'arm64')).toMatchObject({ distribution: 'tensorflow', architecture: 'aarch64' });
  expect(isWheelFor(KNOWN, wheelRequest('2.21.0', false, 'x64'))).toBe(true);
  expect(isWheelFor(KNOWN, wheelRequest('2.21.0', true, 'x64'))).toBe(false);
  expect(isWheelFor(KNOWN, wheelRequest('2.21', false, 'x64'))).toBe(false);
});

test('RECORD is read by its lines', () => {
  const record = 'a/b.so,sha256=AbC-_9,12\r\n"a,b",sha256=x,1\nx.dist-info/RECORD,,\n';
  expect([...readRecord(record)]).toEqual([['a/b.so', 'AbC-_9']]);
});
