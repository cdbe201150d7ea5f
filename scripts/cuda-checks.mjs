// The checks of the CUDA part that need a compiler and no GPU. `node scripts/cuda-checks.mjs` runs them all.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare } from '../bench/cuda/prepare.mjs';
import { readDeviceCode } from './cuda-device-code.mjs';
import { compileByNvrtc } from './cuda-nvrtc.mjs';
import { checkDeviceCode, checkFatbin, readBudgets, spellFaults } from './cuda-static-check.mjs';
import {
  architecturesOf,
  BROUGHT_NVRTC,
  BROUGHT_TOOLKIT,
  findToolkit,
  NVRTC_VERSION,
  toolkitIn,
  versionNumber,
} from './cuda-toolkit.mjs';
import { buildCudaLibrary } from './set-up.mjs';
import { bringToolkit } from './setup-cuda.mjs';
import { inCi, root, run, StepError, skip, step } from './steps.mjs';
import { findCmake, findCompiler } from './tools.mjs';

const FOLDER = 'build-test/cuda';
const LIBRARY = `${FOLDER}/Release/cosface_cuda.node`;
const FATBIN = `${FOLDER}/native/cuda/cosface_cuda.fatbin`;
const MOST_LIBRARY_BYTES = 15e6;

/** A budget that the control kernels keep but for what each is there to break. */
const CONTROL_BUDGET = { threads: 128, sharedBytes: 0, registers: 255, blocks: { least: 1 }, atMost: { DFMA: 0 } };
const CONTROL_BUDGETS = {
  spills: { ...CONTROL_BUDGET, threads: 512, registers: 63, blocks: { least: 3 } },
  local_array: { ...CONTROL_BUDGET, threads: 256, sharedBytes: 200_000 },
  in_double: { ...CONTROL_BUDGET, needs: { HMMA: 1 } },
  gone: CONTROL_BUDGET,
};
const CONTROL_FAULTS = [
  /^no image for sm_90$/,
  /^0 PTX, wanted 1$/,
  /^listed is in kernel_list.h and has no budget$/,
  /^listed is in kernel_list.h and not in the image for sm_80$/,
  /^gone has a budget and is not in kernel_list.h$/,
  /^cosface_without_budget for sm_80 has no budget$/,
  /^cosface_spills for sm_80: local memory: stack [1-9]\d*, local 0, LDL [1-9]\d*, STL [1-9]\d*$/,
  /^cosface_spills for sm_80: 64 registers, budget 63$/,
  /^cosface_spills for sm_80: 2 blocks a multiprocessor on sm_80, wanted 3$/,
  /^cosface_local_array for sm_80: local memory: stack 128, /,
  /^cosface_local_array for sm_80: __launch_bounds__ says 128 threads, budget 256$/,
  /^cosface_local_array for sm_80: 0 blocks a multiprocessor on sm_89, wanted 1$/,
  /^cosface_in_double for sm_80: 1 DFMA, at most 0$/,
  /^cosface_in_double for sm_80: 0 HMMA, wanted 1$/,
];

/** The check must find what is wrong with kernels that are made wrong. */
function checkTheCheck({ nvcc, cuobjdump }) {
  const fatbin = `${FOLDER}/control.fatbin`;
  mkdirSync(join(root, FOLDER), { recursive: true });
  run(nvcc, [
    '-fatbin',
    '-gencode',
    'arch=compute_80,code=sm_80',
    '-o',
    fatbin,
    'native/cuda/test/static_check_control.cu',
  ]);
  const expected = { images: ['sm_80', 'sm_90'], kernels: ['spills', 'local_array', 'in_double', 'listed'] };
  const found = spellFaults(checkDeviceCode(readDeviceCode(cuobjdump, join(root, fatbin)), CONTROL_BUDGETS, expected));
  const missed = CONTROL_FAULTS.filter((fault) => !found.some((line) => fault.test(line)));
  if (missed.length > 0) throw new StepError(`not found: ${missed.join('  ')}\nfound:\n${found.join('\n')}`);
  return `${CONTROL_FAULTS.length} planted faults found`;
}

function output(program, args) {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (error) throw new StepError(`${program} could not be started: ${error.message}`);
  if (status !== 0) throw new StepError(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Whether the library can be opened where there is no CUDA at all, and shows nothing but its table. */
function checkLibrary() {
  const needed = [...output('readelf', ['--dynamic', '--wide', LIBRARY]).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(
    ([, n]) => n,
  );
  const strangers = needed.filter((name) => !/^(libc|libm|libdl|libpthread|ld-linux.*)\.so\.\d+$/.test(name));
  if (strangers.length > 0) throw new StepError(`${LIBRARY} needs ${strangers.join(', ')}`);
  const wanted = output('nm', ['--dynamic', '--undefined-only', LIBRARY]).match(/\b(__cuda|cuda|cu[A-Z])\w+/g) ?? [];
  if (wanted.length > 0) throw new StepError(`${LIBRARY} wants ${wanted.join(', ')} of CUDA`);
  const symbols = output('nm', ['--dynamic', '--defined-only', '--format=posix', LIBRARY]).trim().split('\n');
  const exported = symbols.map((line) => line.split(' ')[0]);
  if (exported.join() !== 'cosface_cuda_library_v1') throw new StepError(`${LIBRARY} exports ${exported.join(', ')}`);
  const { size } = statSync(join(root, LIBRARY));
  if (size > MOST_LIBRARY_BYTES) throw new StepError(`${LIBRARY} has ${size} bytes, more than ${MOST_LIBRARY_BYTES}`);
  return `${(size / 1e6).toFixed(1)} MB, needs ${needed.join(' ')}`;
}

/** The same sources by a compiler of another major version, held against the same budgets. */
function checkSecondCompiler(toolkit) {
  const { cuobjdump } = toolkit;
  return checkFatbin({ cuobjdump, version: NVRTC_VERSION }, join(root, compileByNvrtc(toolkit)));
}

/** The threads and the shared memory of budgets.json are those of the launches. */
function checkLaunches() {
  const program = `${FOLDER}/print-tensor-tiles`;
  run(findCompiler(), ['-std=c++20', '-Inative', '-o', program, 'native/cuda/test/print_tensor_tiles.cc']);
  const budgets = readBudgets();
  const lines = output(join(root, program), []).trim().split('\n');
  const faults = lines.filter((line) => {
    const [name, threads, sharedBytes] = line.split(' ');
    const budget = budgets[name];
    return budget?.threads !== Number(threads) || budget.sharedBytes !== Number(sharedBytes);
  });
  if (faults.length > 0) throw new StepError(`launches that budgets.json has not so: ${faults.join('; ')}`);
  return `${lines.length} kernels`;
}

/**
 * The script for the first machine with a GPU, from its shell to its page, with the emulated driver in a GPU's place: one test
 * of one program stands for all of them, which run elsewhere.
 */
function rehearseFirstRun(toolkit) {
  const folder = 'build-test/rehearsal';
  const image = [
    `-DCOSFACE_CUDA_IMAGE=${join(root, FATBIN)}`,
    `-DCOSFACE_CUDA_IMAGE_TOOLKIT=${versionNumber(toolkit.version)}`,
    `-DCOSFACE_CUDA_IMAGE_NAMES=${architecturesOf(toolkit).join(' ')} and PTX of compute_90`,
  ];
  prepare(folder, { tests: /^cuda_tensor_test$/, settings: image });
  run('bench/cuda/first-run', ['--emulated', '--folder', folder], {
    env: { GTEST_FILTER: 'cuda_tensor.zero_rows', COSFACE_NODE: process.execPath },
  });
}

/** In CI the compiler is the brought one: the budgets are for its version, and nothing is skipped. */
function compiler() {
  if (!inCi) return findToolkit().toolkit;
  bringToolkit();
  return toolkitIn({ folder: join(root, BROUGHT_TOOLKIT) }).toolkit;
}

/** @param testStep - runs one step, as `step` does. */
export async function checkCuda(testStep) {
  let toolkit;
  await testStep('CUDA compiler (npm run setup:cuda)', () => {
    toolkit = findCmake() && compiler();
    if (!toolkit)
      return skip('what compiles CUDA', findCmake() ? 'nvcc is missing: npm run setup:cuda' : 'CMake is missing');
    return `CUDA ${toolkit.version} in ${toolkit.folder}`;
  });
  if (!toolkit) return;
  await testStep('CUDA library (cmake-js, -DCOSFACE_CUDA=ON)', () => buildCudaLibrary(FOLDER, toolkit));
  await testStep('what the CUDA library needs and shows', checkLibrary);
  await testStep('compiled CUDA kernels', () => checkFatbin(toolkit, join(root, FATBIN)));
  await testStep('launches of the budgets', checkLaunches);
  await testStep('what the check of compiled kernels must refuse', () => checkTheCheck(toolkit));
  await testStep('rehearsal of the first run on a GPU', () => rehearseFirstRun(toolkit));
  if (inCi || existsSync(join(root, BROUGHT_NVRTC)))
    await testStep('CUDA kernels by a second compiler', () => checkSecondCompiler(toolkit));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await checkCuda(step);
