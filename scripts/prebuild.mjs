// `npm run prebuild`: the binaries of the platform packages that can be cut here, and the tarballs of all packages that
// are whole. Linux x64 (glibc 2.28 and musl), Linux arm64 and macOS arm64 by zig, and with --cuda the CUDA library.
// Windows has its own compiler: .github/workflows/release.yml cuts that one.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkBinary } from './binary-file.mjs';
import { findToolkit } from './cuda-toolkit.mjs';
import { packTarballs } from './pack-tarballs.mjs';
import { buildCudaLibrary, buildTypescript, installPackages } from './set-up.mjs';
import { setUpCuda } from './setup-cuda.mjs';
import { buildUnlessCurrent } from './sources-stamp.mjs';
import { root, StepError, step } from './steps.mjs';
import { bringZig, zigCompiler } from './zig.mjs';

// Zig's own C++ library is linked in, and nothing of it may be seen from outside.
const STATIC = [
  '-shared',
  '-fPIC',
  '-Wl,-z,relro,-z,now,-z,noexecstack',
  '-Wl,--version-script=native/addon/exports.map',
  '-lpthread',
  '-ldl',
];
/** Package, and what zig is told. */
const TARGETS = {
  'linux-x64-gnu': { target: 'x86_64-linux-gnu.2.28', link: STATIC },
  'linux-x64-musl': { target: 'x86_64-linux-musl', link: STATIC },
  'linux-arm64-gnu': { target: 'aarch64-linux-gnu.2.28', link: STATIC },
  'darwin-arm64': { target: 'aarch64-macos.11.0', link: ['-dynamiclib', '-Wl,-undefined,dynamic_lookup'] },
};
export const PREBUILT = Object.keys(TARGETS);
const CUDA = 'linux-x64-cuda';

/** As binding.gyp has them, so that every build rounds alike. */
const FLAGS = [
  '-std=c++20',
  '-O3',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fvisibility=hidden',
  '-fstack-protector-strong',
  '-fvisibility-inlines-hidden',
];
const DEFINES = [
  'NAPI_VERSION=9',
  'NAPI_CPP_EXCEPTIONS',
  'NODE_ADDON_API_DISABLE_DEPRECATED',
  'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
];
const INCLUDES = ['native', 'native/include', 'node_modules/node-api-headers/include', 'node_modules/node-addon-api'];

/** The addon's, as CMakeLists.txt lists them. */
function addonSources() {
  const [, list] = /set\(COSFACE_SOURCES([^)]*)\)/.exec(readFileSync(join(root, 'CMakeLists.txt'), 'utf8'));
  return list.trim().split(/\s+/);
}

function runProgram(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0
        ? resolve()
        : reject(new StepError(`${[program, ...args].join(' ')} ended with exit status ${status}`)),
    );
  });
}

/** One after the other on each processor. */
async function compileAll(zig, { target, folder }) {
  mkdirSync(join(root, folder), { recursive: true });
  const waiting = addonSources().map((source) => ({ source, object: `${folder}/${source.replaceAll('/', '-')}.o` }));
  const objects = waiting.map(({ object }) => object);
  const common = [
    'c++',
    '-target',
    target,
    '-fPIC',
    ...FLAGS,
    ...DEFINES.map((d) => `-D${d}`),
    ...INCLUDES.flatMap((i) => ['-isystem', i]),
  ];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      await runProgram(zig, [...common, '-c', next.source, '-o', next.object]);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return objects;
}

async function prebuildAddon(name) {
  const { target, link } = TARGETS[name];
  const product = `packages/${name}/cosface.node`;
  const sources = ['native', 'CMakeLists.txt', 'scripts/prebuild.mjs'];
  const ignored = ['native/test', 'native/wasm', 'native/cuda/test', 'native/cuda/emulator'];
  const outcome = await buildUnlessCurrent({ product, sources, ignored }, async () => {
    mkdirSync(join(root, 'build-prebuild'), { recursive: true });
    const zig = bringZig();
    const objects = await compileAll(zig, { target, folder: `build-prebuild/${name}` });
    await runProgram(zig, ['c++', '-target', target, '-s', ...link, '-o', product, ...objects]);
  });
  return `${outcome}; ${checkBinary(name, join(root, product))}`;
}

function prebuildCuda() {
  const { nvcc } = findToolkit().toolkit;
  const compiler = zigCompiler(TARGETS['linux-x64-gnu'].target);
  const outcome = buildCudaLibrary('build-prebuild/cuda', { nvcc, compiler });
  const product = `packages/${CUDA}/cosface_cuda.node`;
  copyFileSync(join(root, 'build-prebuild/cuda/Release/cosface_cuda.node'), join(root, product));
  return `${outcome}; ${checkBinary(CUDA, join(root, product))}`;
}

/** Cuts what is asked for, by default all that can be cut here, and packs. */
export async function prebuild(args, runStep = step) {
  const names = args.filter((name) => !name.startsWith('--'));
  const wanted = names.length > 0 ? names : PREBUILT;
  for (const name of wanted) {
    if (!TARGETS[name]) throw new StepError(`${name} cannot be cut here, expected ${PREBUILT.join(', ')}`);
    await runStep(`addon for ${name}`, () => prebuildAddon(name));
  }
  if (args.includes('--cuda')) {
    await runStep('CUDA compiler', () => setUpCuda());
    await runStep(`CUDA library for ${CUDA}`, prebuildCuda);
  }
  await runStep('tarballs', packTarballs);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await step('packages', installPackages);
  await step('JavaScript', buildTypescript);
  await prebuild(process.argv.slice(2));
}
