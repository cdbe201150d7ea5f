// `npm run setup:cuda`: a CUDA compiler for the device code. Takes an installed toolkit, else brings nvcc from the wheels
// that NVIDIA publishes on PyPI: no root, no driver, no GPU, nothing outside build-tools/. 105 MB to download.
// --bring takes the wheels even where a toolkit is installed: checks that compare figures want one version.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  BROUGHT_CUTE,
  BROUGHT_NVRTC,
  BROUGHT_SANITIZER,
  BROUGHT_TOOLKIT,
  findToolkit,
  toolkitIn,
} from './cuda-toolkit.mjs';
import { root, StepError, step } from './steps.mjs';
import { bringWheels } from './wheels.mjs';

const CUDA_WHEELS = [
  'nvidia-cuda-nvcc==13.0.88',
  'nvidia-cuda-crt==13.0.88',
  'nvidia-nvvm==13.0.88',
  'nvidia-cuda-runtime==13.0.96',
  // <nv/target>, which cuda_fp16.h includes.
  'nvidia-cuda-cccl==13.0.85',
  // There are no wheels of 13.0 for these two; they read its images.
  'nvidia-cuda-cuobjdump==13.2.86',
  'nvidia-cuda-nvdisasm==13.2.86',
];
// No wheel of 12.x holds nvcc, but NVRTC, its device compiler as a library, compiles the same sources.
const NVRTC_WHEELS = ['nvidia-cuda-nvrtc-cu12==12.9.86'];
const SANITIZER_WHEELS = ['nvidia-cuda-sanitizer-api==13.0.85'];
const CUTE_WHEELS = ['nvidia-cutlass==4.2.0.0'];

/** As `bringWheels`, of wheels that NVIDIA publishes. */
function bring(request) {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))
    throw new StepError(
      `NVIDIA's wheels hold nvcc for Linux on x64 and arm64, this is ${process.platform} on ${process.arch}`,
    );
  return bringWheels(request);
}

/** Makes of the wheels' one tree what nvcc.profile and CMake expect of a toolkit. */
function prepareToolkit(part) {
  const toolkit = `${part}/site/nvidia/cu13`;
  const at = (path) => join(root, toolkit, path);
  symlinkSync('lib', at('lib64'));
  symlinkSync('libcudart.so.13', at('lib/libcudart.so'));
  writeFileSync(at('version.json'), JSON.stringify({ cuda: { name: 'CUDA SDK', version: '13.0.2' } }));
  // 63 MB that nvcc does not call for: its own copy of the compiler is linked in.
  rmSync(at('lib/libnvvm.so.4'), { force: true });
  for (const name of readdirSync(join(root, part, 'site')).filter((name) => name.endsWith('.dist-info')))
    renameSync(join(root, part, 'site', name), at(name)); // The licences.
  return toolkit;
}

export function bringToolkit() {
  const outcome = bring({ wheels: CUDA_WHEELS, folder: BROUGHT_TOOLKIT, prepare: prepareToolkit });
  const { toolkit, fault } = toolkitIn({ folder: join(root, BROUGHT_TOOLKIT) });
  if (!toolkit) throw new StepError(`${fault}: remove ${BROUGHT_TOOLKIT} and try again`);
  tryToolkit(toolkit);
  return `CUDA ${toolkit.version} in ${BROUGHT_TOOLKIT}, ${outcome}`;
}

/** The folder of libnvrtc.so.12. */
export function bringNvrtc() {
  const outcome = bring({ wheels: NVRTC_WHEELS, folder: BROUGHT_NVRTC });
  return `NVRTC in ${BROUGHT_NVRTC}, ${outcome}`;
}

/** compute-sanitizer in bin, and what it injects into a program in lib. */
export function bringSanitizer() {
  bring({ wheels: SANITIZER_WHEELS, folder: BROUGHT_SANITIZER, prepare: (part) => `${part}/site/nvidia/cu13` });
  return BROUGHT_SANITIZER;
}

/** CuTe's headers and CUTLASS's, which they include. */
export function bringCute() {
  const prepare = (part) => `${part}/site/cutlass_library/source/include`;
  return bring({ wheels: CUTE_WHEELS, folder: BROUGHT_CUTE, prepare });
}

/** Compiles a kernel: of a toolkit that starts, the host compiler may still be missing or too new. */
function tryToolkit({ folder, nvcc, version }) {
  mkdirSync(join(root, 'build-tools'), { recursive: true });
  const source = join(root, 'build-tools/try.cu');
  writeFileSync(source, 'extern "C" __global__ void cosface_try(float* x) { x[threadIdx.x] = 1; }\n');
  const { status, stdout, stderr } = spawnSync(nvcc, ['-cubin', '-arch=sm_80', '-o', `${source}bin`, source], {
    encoding: 'utf8',
  });
  rmSync(source);
  rmSync(`${source}bin`, { force: true });
  if (status !== 0)
    throw new StepError(
      `CUDA ${version} in ${folder} does not compile here; it needs a host compiler (g++) that it knows:\n${stdout}${stderr}`,
    );
}

export function setUpCuda({ bringAnyway = false } = {}) {
  const { toolkit, faults } = bringAnyway ? { faults: [] } : findToolkit();
  for (const fault of faults) console.log(`not taken: ${fault}`);
  if (toolkit) {
    tryToolkit(toolkit);
    return `CUDA ${toolkit.version} in ${toolkit.folder}`;
  }
  return bringToolkit();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [option, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || ![undefined, '--bring'].includes(option)) {
    console.error('usage: node scripts/setup-cuda.mjs [--bring]');
    process.exit(2);
  }
  await step('CUDA compiler', () => setUpCuda({ bringAnyway: option === '--bring' }));
}
