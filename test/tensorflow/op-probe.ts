import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = (folder: string, pattern: RegExp) =>
  readdirSync(`${root}${folder}`)
    .filter((name) => pattern.test(name))
    .map((name) => `${folder}/${name}`);
const SOURCES = ['test/tensorflow/op-probe.cc', 'native/addon/cuda_library.cc', ...files('native/tensorflow', /\.cc$/)];
const HEADERS = files('native/tensorflow', /\.h$/);
const PRODUCT = 'build-test/op-probe.node';
const FLAGS = ['-std=c++20', '-O1', '-shared', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'];
const INCLUDES = ['-Inative', '-Inative/include', '-Inode_modules/node-api-headers/include'];

/** Builds op-probe.cc, unless that is done, and returns its path. */
export function buildOpProbe(): string {
  const newest = Math.max(...[...SOURCES, ...HEADERS].map((file) => statSync(`${root}${file}`).mtimeMs));
  const built = statSync(`${root}${PRODUCT}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built < newest) {
    mkdirSync(dirname(`${root}${PRODUCT}`), { recursive: true });
    const compiler = process.env['CXX'] || 'g++';
    execFileSync(compiler, [...FLAGS, ...INCLUDES, ...SOURCES, '-o', PRODUCT, '-ldl'], { cwd: root, stdio: 'inherit' });
  }
  return `${root}${PRODUCT}`;
}
