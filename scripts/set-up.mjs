// From a fresh clone to something that runs: packages, native addon, JavaScript.
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { buildUnlessCurrent } from './sources-stamp.mjs';
import { root, run, runBin, StepError } from './steps.mjs';
import { findCmake, findCompiler, findMake, findNodeHeaders, findPython } from './tools.mjs';

const NODE_GYP_BINARY = 'build/Release/cosface.node';
const CMAKE_BINARY = 'build-cmake/Release/cosface.node';
const CUDA_FOLDER = 'build-cuda';
const NATIVE_SOURCES = ['native', 'binding.gyp', 'CMakeLists.txt', 'node_modules/node-addon-api/package.json'];
/** `cosface bench` is made of bench/; the lockfile decides which tsdown, and which packages, go into dist. */
const TYPESCRIPT_SOURCES = [
  'src',
  'bench',
  'build-wasm/cosface.wasm',
  'tsdown.config.ts',
  'tsconfig.json',
  'package.json',
  'package-lock.json',
];
const NATIVE_BUILD = {
  sources: NATIVE_SOURCES,
  ignored: ['native/test', 'native/cuda/test', 'native/cuda/emulator'],
};

function readJson(path) {
  return existsSync(join(root, path)) ? JSON.parse(readFileSync(join(root, path), 'utf8')) : undefined;
}

/** Whether node_modules holds what package-lock.json says. npm keeps a lockfile of its own there. */
function packagesAreCurrent() {
  const wanted = readJson('package-lock.json').packages;
  const installed = readJson('node_modules/.package-lock.json')?.packages;
  if (!installed) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true;
    return installed[path] ? installed[path].version === version : optional;
  });
}

export function installPackages() {
  if (packagesAreCurrent()) return 'up to date';
  run('npm', ['ci', '--no-audit', '--no-fund']);
  return 'installed';
}

/** Both tools download Node's headers unless this variable of npm's says where they are. */
function headersVariable() {
  const headers = findNodeHeaders();
  return headers ? { npm_config_nodedir: headers } : {};
}

export function buildWithNodeGyp() {
  return buildUnlessCurrent({ product: NODE_GYP_BINARY, ...NATIVE_BUILD }, () => {
    runBin('node-gyp', ['configure', 'build', `--jobs=${availableParallelism()}`, `--python=${findPython()}`], {
      env: headersVariable(),
    });
  });
}

export function buildWithCmakeJs() {
  return buildUnlessCurrent({ product: CMAKE_BINARY, ...NATIVE_BUILD }, () => {
    runBin('cmake-js', ['compile', '-O', 'build-cmake', '--parallel', String(availableParallelism())], {
      env: headersVariable(),
    });
  });
}

/** The CUDA library alone, in `folder`: what users get by -DCOSFACE_CUDA=ON beside the addon. `compiler` is the host's. */
export function buildCudaLibrary(folder, { nvcc, compiler }) {
  return buildUnlessCurrent({ product: `${folder}/Release/cosface_cuda.node`, ...NATIVE_BUILD }, () => {
    const settings = ['--CDCOSFACE_CUDA=ON', `--CDCOSFACE_NVCC=${nvcc}`];
    if (compiler) settings.push(`--CDCMAKE_CXX_COMPILER=${compiler}`);
    const jobs = ['--parallel', String(availableParallelism())];
    runBin('cmake-js', ['compile', '-O', folder, '--target', 'cosface_cuda', ...settings, ...jobs], {
      env: headersVariable(),
    });
  });
}

/** The addon looks for the library in its own folder. */
export function buildCudaLibraryBesideAddons(toolkit) {
  const outcome = buildCudaLibrary(CUDA_FOLDER, toolkit);
  const addons = [NODE_GYP_BINARY, CMAKE_BINARY].filter((path) => existsSync(join(root, path)));
  const folders = addons.map((path) => dirname(path));
  for (const folder of folders)
    copyFileSync(join(root, CUDA_FOLDER, 'Release/cosface_cuda.node'), join(root, folder, 'cosface_cuda.node'));
  return `${outcome}, in ${folders.join(' and ')}`;
}

/** Builds the addon with what the machine has: node-gyp, or cmake-js where Python is missing. */
export function buildNative() {
  if (!findCompiler())
    throw new StepError('no C++ compiler was found (c++, g++, clang++): install one with C++20 (Debian, Ubuntu: g++)');
  if (findPython() && findMake()) return buildWithNodeGyp();
  if (findCmake()) {
    const outcome = buildWithCmakeJs();
    // The loader takes node-gyp's binary first: one that cannot be built anew must not shadow this one.
    rmSync(join(root, NODE_GYP_BINARY), { force: true });
    return `${outcome} by cmake-js`;
  }
  const missing = [findPython() ? undefined : 'Python 3', findMake() ? undefined : 'make']
    .filter(Boolean)
    .join(' and ');
  throw new StepError(
    `node-gyp needs ${missing}, and cmake-js needs CMake: neither was found. ` +
      'Install either (Debian, Ubuntu: python3 make, or cmake)',
  );
}

export function buildTypescript() {
  return buildUnlessCurrent({ product: 'dist/index.js', sources: TYPESCRIPT_SOURCES }, () => runBin('tsdown', []));
}
