import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

/** The body of the first list that opens with `opening`. */
function listOf(text: string, opening: string, closing: string): string {
  const start = text.indexOf(opening);
  if (start < 0) throw new Error(`${opening} is not there`);
  return text.slice(start + opening.length, text.indexOf(closing, start));
}

function gypSources(): string[] {
  return Array.from(listOf(read('binding.gyp'), "'sources': [", ']').matchAll(/'([^']+)'/g), ([, path]) => path!);
}

function cmakeSources(): string[] {
  return listOf(read('CMakeLists.txt'), 'set(COSFACE_SOURCES', ')').trim().split(/\s+/);
}

test('node-gyp and cmake-js build the same files, and each is there', () => {
  const sources = gypSources();
  expect(sources.length).toBeGreaterThan(5);
  expect(cmakeSources()).toEqual(sources);
  expect(sources.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
});

test('no source of the addon is left out of the build', () => {
  const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'native'], {
    cwd: root,
    encoding: 'utf8',
  });
  const notInTheAddon = /^native\/(test|reference|cuda|wasm)\/|^native\/cpu\/kernels\/wasm_simd\.cc$/;
  const built = new Set(gypSources());
  const forgotten = tracked
    .split('\n')
    .filter((path) => path.endsWith('.cc') && existsSync(new URL(path, root)))
    .filter((path) => !notInTheAddon.test(path) && !built.has(path));
  expect(forgotten).toEqual([]);
});

test('dist is built anew when anything that goes into it has changed', () => {
  const list = listOf(read('scripts/set-up.mjs'), 'TYPESCRIPT_SOURCES = [', ']');
  const watched = Array.from(list.matchAll(/'([^']+)'/g), ([, path]) => path!.split('/')[0]);
  const files = execFileSync('git', ['ls-files', 'src'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  const imported = files
    .filter((path) => existsSync(new URL(path, root)))
    .flatMap((path) =>
      Array.from(read(path).matchAll(/from '(\.[^']+)'/g), ([, to]) => new URL(to!, new URL(path, root))),
    )
    .map(({ href }) => href.slice(root.href.length).split('/')[0]);
  expect(watched).toEqual(expect.arrayContaining([...new Set(imported), 'tsdown.config.ts', 'package-lock.json']));
});

test('both builds define the same macros for node-addon-api', () => {
  const macros = (text: string) =>
    new Set(text.match(/\bN(?:API|ODE)_[A-Z_]*(?:API|EXCEPTIONS|DEPRECATED|VERSION=\d+)\b/g));
  const gyp = macros(listOf(read('binding.gyp'), "'defines': [", ']'));
  expect(gyp.size).toBe(4);
  expect(macros(listOf(read('CMakeLists.txt'), 'target_compile_definitions(cosface PRIVATE', ')'))).toEqual(gyp);
});
