import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadHost, noBinaryError, tryBinaries } from '../../src/native/load.js';
import { findPackageRoot } from '../../src/native/package-root.js';
import { binaryPath, root } from './built-package.js';

const NODE_GYP = 'build/Release/cosface.node';
const CMAKE_JS = 'build-cmake/Release/cosface.node';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cosface-load-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A package in a folder of its own, opened by Node itself. */
function hostOf(env: Record<string, string> = {}): LoadHost {
  const require = createRequire(import.meta.url);
  return { env, packageRoot: { directory: folder, version: '1.2.3' }, open: (path) => require(path) };
}

function place(path: string, content?: string): string {
  const target = join(folder, path);
  mkdirSync(dirname(target), { recursive: true });
  if (content === undefined) copyFileSync(binaryPath, target);
  else writeFileSync(target, content);
  return target;
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
    expect(lines[3]).toContain('npm run build');
    expect(lines).toHaveLength(4);
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
