import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

const packed: string[] = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  }),
)[0].files.map(({ path }: { path: string }) => path);

test('no binding.gyp and no binary: npm would compile on install', () => {
  expect(packed.filter((path) => path.endsWith('binding.gyp') || path.endsWith('.node'))).toEqual([]);
  expect(manifest.gypfile).toBe(false);
  for (const name of ['preinstall', 'install', 'postinstall']) expect(manifest.scripts).not.toHaveProperty(name);
});

test('what npx cosface build needs is in it, and no test', () => {
  const cmake = readFileSync(`${root}CMakeLists.txt`, 'utf8');
  const sources = cmake.match(/native\/\S+\.cc/g)!;
  expect(packed).toEqual(
    expect.arrayContaining(['CMakeLists.txt', 'native/include/cosface/margin_softmax.h', ...sources]),
  );
  expect(packed.filter((path) => /(^|\/)test\//.test(path))).toEqual([]);
});

interface ExportConditions {
  /** For bundlers; before all else, as the first condition that holds is taken. */
  browser?: ExportConditions;
  types: string;
  default: string;
}

test('every entry of exports and bin is built and packed, types first', () => {
  const entries = Object.values<string | ExportConditions>(manifest.exports);
  const objects = entries.filter((entry) => typeof entry === 'object');
  const withBrowser = objects.filter(({ browser }) => browser);
  expect(withBrowser.length).toBeGreaterThanOrEqual(1);
  for (const entry of withBrowser) expect(Object.keys(entry)[0]).toBe('browser');
  const conditions = objects.flatMap(({ browser, ...rest }) => (browser ? [browser, rest] : [rest]));
  expect(conditions.length).toBeGreaterThanOrEqual(2);
  const files = [manifest.bin.cosface, ...conditions.flatMap((entry) => Object.values(entry))];
  for (const path of files as string[]) {
    expect(existsSync(`${root}${path}`), `${path}: run npm run build`).toBe(true);
    expect(packed).toContain(path.replace('./', ''));
  }
  for (const entry of conditions) expect(Object.keys(entry)[0]).toBe('types');
});
