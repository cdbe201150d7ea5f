import { getKernel, registerKernel } from '@tensorflow/tfjs-core';
import { openWasmKernels } from '../wasm/module.js';
import { moduleBytes } from '../wasm/module-bytes.js';
import { cpuMemory } from './cpu.js';
import { MarginSoftmax } from './kernel-names.js';
import { nativeKernels } from './native-kernels.js';
import type { TensorMemory } from './tensor-memory.js';
import { warnOnce } from './warn-once.js';
import { wasmMemory } from './wasm.js';

type Kernels = ReturnType<typeof openWasmKernels>;

/** The backends whose tensors lie in the page's memory; on a GPU the composed ops leave them where they are. */
const MEMORIES: Readonly<Record<string, (backend: object) => TensorMemory>> = { cpu: cpuMemory, wasm: wasmMemory };

/** Opened at the first use; null where that failed. */
let opened: Kernels | null | undefined;

/**
 * Sees to it that a backend has the kernels in WebAssembly, at the first use of that backend. May be called again.
 *
 * @returns Whether kernels are registered. If not, the composed ops do the work; a warning with the code
 * COSFACE_COMPOSED_FALLBACK says so where they could have been, once.
 */
export function registerKernels(backendName: string): boolean {
  const memoryOf = MEMORIES[backendName];
  if (!memoryOf) return false;
  if (getKernel(MarginSoftmax, backendName)) return true;
  if (opened === undefined) opened = open();
  if (!opened) return false;
  for (const kernel of nativeKernels(backendName, memoryOf, opened)) registerKernel(kernel);
  return true;
}

function open(): Kernels | null {
  try {
    return openWasmKernels(moduleBytes());
  } catch (error) {
    warnOnce(
      'COSFACE_COMPOSED_FALLBACK',
      'wasm',
      'the kernels in WebAssembly could not be opened: plain TensorFlow.js operations are used, which are slower and ' +
        "take more memory. Old browsers lack 128-bit vectors, and a Content-Security-Policy must allow 'wasm-unsafe-eval'.\n" +
        `${error}`,
    );
    return null;
  }
}
