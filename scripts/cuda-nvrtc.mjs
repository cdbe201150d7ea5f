// Compiles the CUDA kernels by NVRTC of CUDA 12.9, brought from its wheel: a second compiler for the checks, and device
// code for drivers from 525 on, where nvcc 13 asks for 580. `node scripts/cuda-nvrtc.mjs` prints what CMake is to be told.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { architecturesOf, BROUGHT_NVRTC, findToolkit, NVRTC_VERSION, versionNumber } from './cuda-toolkit.mjs';
import { bringNvrtc } from './setup-cuda.mjs';
import { root, run, StepError } from './steps.mjs';
import { findPython } from './tools.mjs';

const FOLDER = 'build-test/cuda/nvrtc';
const PTX = 'compute_90';

/** @returns The fatbin, relative to the root. `toolkit` bundles what NVRTC compiles: its wheel has no fatbinary. */
export function compileByNvrtc({ fatbinary, folder }) {
  bringNvrtc();
  mkdirSync(join(root, FOLDER), { recursive: true });
  const architectures = architecturesOf({ version: NVRTC_VERSION });
  const library = `${BROUGHT_NVRTC}/nvidia/cuda_nvrtc/lib/libnvrtc.so.12`;
  const includes = ['native', 'native/include', join(folder, 'include'), join(folder, 'include/cccl')];
  const source = 'native/cuda/kernels/kernels.cu';
  run(findPython(), ['scripts/cuda-nvrtc.py', library, source, FOLDER, ...includes, '--', ...architectures, PTX]);
  const fatbin = `${FOLDER}/cosface_cuda.fatbin`;
  run(fatbinary, [
    ...[`--create=${fatbin}`, '-64', `--image3=kind=ptx,sm=90,file=${FOLDER}/${PTX}.ptx`],
    ...architectures.map((name) => `--image3=kind=elf,sm=${name.slice(3)},file=${FOLDER}/${name}.cubin`),
  ]);
  return fatbin;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { toolkit } = findToolkit();
  if (!toolkit) throw new StepError('no CUDA toolkit, which bundles the images: npm run setup:cuda');
  const fatbin = resolve(root, compileByNvrtc(toolkit));
  const names = `${architecturesOf({ version: NVRTC_VERSION }).join(' ')} and PTX of ${PTX}`;
  console.log(`-DCOSFACE_CUDA_IMAGE=${fatbin}`);
  console.log(`-DCOSFACE_CUDA_IMAGE_TOOLKIT=${versionNumber(NVRTC_VERSION)}`);
  console.log(`-DCOSFACE_CUDA_IMAGE_NAMES=${names}`);
}
