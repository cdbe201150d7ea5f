import { existsSync } from 'node:fs';
import { describe } from 'vitest';
import { root } from '../native/built-package.js';

/** What `node scripts/cuda-emulator.mjs none` builds: the CUDA library without device code, and a driver that emulates. */
const FILES = {
  COSFACE_CUDA_LIBRARY: `${root}build-test/none/cosface_cuda.node`,
  COSFACE_CUDA_DRIVER: `${root}build-test/none/cuda/libcosface_cuda_emulator.so`,
};

/** The environment in which there is a GPU: this one, or that of a child process. */
export const emulatedGpu: Readonly<Record<string, string>> = {
  ...FILES,
  ...Object.fromEntries(Object.keys(FILES).flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
};

const missing = Object.values(emulatedGpu).filter((path) => !existsSync(path));

/** Tests on the emulated GPU; skipped where CMake or GoogleTest is missing, so that there is none. */
export const describeEmulated: typeof describe = missing.length > 0 ? (describe.skip as typeof describe) : describe;

/** From here on this process has the emulated GPU. */
export function emulateGpu(): void {
  Object.assign(process.env, emulatedGpu);
}
