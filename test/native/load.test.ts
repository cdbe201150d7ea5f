import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadHost, noBinaryError, tryBinaries } from '../../src/native/load.js';
import { findPackageRoot } from '../../src/native/package-root.js';
import { addonPackage, cudaPackage, currentSystem, type System } from '../../src/native/platform-package.js';
import { binaryPath, root } from './built-package.js';

const NODE_GYP = 'build/Release/cosface.node';
const CMAKE_JS = 'build-cmake/Release/cosface.node';

const LINUX: System = { platform: 'linux', arch: 'x64', musl: false };
const PACKAGE = '@cosface/linux-x64-gnu';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cosface-load-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A package in a folder of its own, opened by Node itself. */
function hostOf(env: Record<string, string> = {}, system: System = LINUX): LoadHost {
  const { resolve } = createRequire(join(folder, 'index.js'));
  const require = createRequire(import.meta.url);
  return { env, packageRoot: { directory: folder, version: '1.2.3' }, system, open: (path) => require(path), resolve };
}

function place(path: string, content?: string): string {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  if (content === undefined) copyFileSync(binaryPath, target);
  else writeFileSync(target, content);
  return target;
}

function placePackage(version: string): string {
  const inPackage = (name: string) => join('node_modules', ...PACKAGE.split('/'), name);
  place(inPackage('package.json'), JSON.stringify({ name: PACKAGE, version, main: './cosface.node' }));
  return place(inPackage('cosface.node'));
}

describe('the order', () => {
  test("node-gyp's build comes before cmake-js's", () => {
    place(CMAKE_JS);
    const first = place(NODE_GYP);
    const { binary, failed } = tryBinaries(hostOf());
    expect(binary?.path).toBe(first);
    expect(binary?.addon.info().abiVersion).toBe(4);
    expect(failed).toEqual([]);
  });

  test("cmake-js's build where node-gyp's is missing, which is put on record", () => {
    const second = place(CMAKE_JS);
    const { binary, failed } = tryBinaries(hostOf());
    expect(binary?.path).toBe(second);
    expect(failed).toEqual([
      { step: NODE_GYP, path: join(folder, NODE_GYP), code: 'MODULE_NOT_FOUND', message: expect.any(String) },
    ]);
  });

  test("npm's package for the system after what was built here", () => {
    const installed = placePackage('1.2.3');
    const { binary, failed } = tryBinaries(hostOf());
    expect(binary?.path).toBe(installed);
    expect(failed.map(({ step }) => step)).toEqual([NODE_GYP, CMAKE_JS]);
    const built = place(CMAKE_JS);
    expect(tryBinaries(hostOf()).binary?.path).toBe(built);
  });

  test('a package of another version is passed over, and told', () => {
    placePackage('1.2.2');
    const host = hostOf();
    const { binary, failed } = tryBinaries(host);
    expect(binary).toBeUndefined();
    expect(failed[2]).toEqual({
      ...{ step: PACKAGE, path: PACKAGE, code: 'COSFACE_VERSION' },
      message: 'is of version 1.2.2, expected 1.2.3; install cosface again',
    });
    expect(noBinaryError(host, failed).message).toContain(`  tried ${PACKAGE}: COSFACE_VERSION: is of version 1.2.2`);
  });

  test("cmake-js's build where node-gyp's cannot be opened", () => {
    place(NODE_GYP, 'no machine code');
    const second = place(CMAKE_JS);
    const { binary, failed } = tryBinaries(hostOf());
    expect(binary?.path).toBe(second);
    expect(failed).toMatchObject([{ step: NODE_GYP, code: 'ERR_DLOPEN_FAILED' }]);
  });

  test('COSFACE_BINARY comes first and alone', () => {
    place(NODE_GYP);
    const own = place('own.node');
    expect(tryBinaries(hostOf({ COSFACE_BINARY: own })).binary?.path).toBe(own);
    const missing = tryBinaries(hostOf({ COSFACE_BINARY: join(folder, 'none.node') }));
    expect(missing.binary).toBeUndefined();
    expect(missing.failed).toMatchObject([{ step: 'COSFACE_BINARY', code: 'MODULE_NOT_FOUND' }]);
  });

  test('a binary of another ABI is passed over', () => {
    const other = place('other.cjs', 'module.exports = { abiVersion: 999 };');
    const { binary, failed } = tryBinaries(hostOf({ COSFACE_BINARY: other }));
    expect(binary).toBeUndefined();
    expect(failed).toMatchObject([{ code: 'COSFACE_ABI', message: expect.stringContaining('999, expected 4') }]);
  });
});

describe('COSFACE_NO_BINARY', () => {
  test('lists every place with its cause, and the remedy', () => {
    place(NODE_GYP, 'no machine code');
    const host = hostOf();
    const error = noBinaryError(host, tryBinaries(host).failed);
    expect(error.code).toBe('COSFACE_NO_BINARY');
    const lines = error.message.split('\n');
    expect(lines[0]).toBe(
      `COSFACE_NO_BINARY: no native binary could be loaded for ${process.platform}-${process.arch} ` +
        `(node ${process.versions.node}, cosface 1.2.3).`,
    );
    expect(lines[1]).toContain(`tried ${NODE_GYP} (${join(folder, NODE_GYP)}): ERR_DLOPEN_FAILED: `);
    expect(lines[2]).toContain(`tried ${CMAKE_JS} (${join(folder, CMAKE_JS)}): MODULE_NOT_FOUND: `);
    expect(lines[3]).toContain(`tried ${PACKAGE}: MODULE_NOT_FOUND: `);
    expect(lines[4]).toContain('npm run build');
    expect(lines).toHaveLength(5);
  });

  test('says so where the package itself was not found', () => {
    const host = { ...hostOf(), packageRoot: undefined };
    expect(noBinaryError(host, tryBinaries(host).failed).message).toContain(
      'the package folder of cosface was not found',
    );
  });
});

describe('findPackageRoot', () => {
  test('from the sources: this repository', () => {
    expect(join(findPackageRoot()!.directory, '/')).toBe(root);
  });

  test('passes over a package.json of another name, and one that is broken', () => {
    place('package.json', '{ "name": "cosface", "version": "4.5.6" }');
    place('dist/package.json', '{ "type": "module" }');
    place('dist/native/package.json', '{');
    expect(findPackageRoot(join(folder, 'dist/native'))).toEqual({ directory: folder, version: '4.5.6' });
  });

  test('none above', () => {
    expect(findPackageRoot(tmpdir())).toBeUndefined();
  });
});

describe('the packages of npm', () => {
  const folderOf = (name: string) => join(root, 'packages', name.split('/')[1] as string);
  const manifestOf = (name: string) => JSON.parse(readFileSync(join(folderOf(name), 'package.json'), 'utf8'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

  test.each([
    [{ platform: 'linux', arch: 'x64', musl: false }, 'linux-x64-gnu'],
    [{ platform: 'linux', arch: 'x64', musl: true }, 'linux-x64-musl'],
    [{ platform: 'linux', arch: 'arm64', musl: false }, 'linux-arm64-gnu'],
    [{ platform: 'darwin', arch: 'arm64', musl: false }, 'darwin-arm64'],
    [{ platform: 'win32', arch: 'x64', musl: false }, 'win32-x64'],
  ])('%j: %s, whose manifest says so', (system, name) => {
    expect(addonPackage(system)).toBe(`@cosface/${name}`);
    const libc = system.platform === 'linux' ? [system.musl ? 'musl' : 'glibc'] : undefined;
    const manifest = manifestOf(`@cosface/${name}`);
    expect(manifest).toMatchObject({ name: `@cosface/${name}`, version, os: [system.platform], cpu: [system.arch] });
    expect(manifest.libc).toEqual(libc);
    expect(manifest).not.toHaveProperty('scripts');
    expect(manifest).not.toHaveProperty('dependencies');
  });

  test('the CUDA library is for Linux on x64 with glibc alone', () => {
    const name = cudaPackage(LINUX) as string;
    expect(manifestOf(name)).toMatchObject({ name, version, os: ['linux'], cpu: ['x64'], libc: ['glibc'] });
    expect(cudaPackage({ ...LINUX, musl: true })).toBeUndefined();
  });

  test('elsewhere there is none, and the error says so', () => {
    const system = { platform: 'freebsd', arch: 'x64', musl: false };
    expect(addonPackage(system)).toBeUndefined();
    const error = noBinaryError(hostOf({}, system), []);
    expect(error.message).toContain('Fix: no package is made for this system; npm run build in a clone');
    expect(noBinaryError(hostOf(), []).message).toContain(`npm install --include=optional`);
  });

  test('this system is known', () => {
    expect(currentSystem()).toMatchObject({ platform: process.platform, arch: process.arch });
  });
});
