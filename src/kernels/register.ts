import { getKernel, type KernelConfig, registerKernel } from '@tensorflow/tfjs-core';
import type { NativeAddon } from '../native/addon.js';
import { backendChoice, chooseDevice, type DeviceChoice } from '../native/backend-choice.js';
import { CosFaceError } from '../native/errors.js';
import { loadAddon } from '../native/load.js';
import { cpuMemory } from './cpu.js';
import { MarginSoftmax } from './kernel-names.js';
import { nativeKernels } from './native-kernels.js';
import { tensorflowKernels } from './tensorflow.js';
import { warnOnce } from './warn-once.js';
import { wasmMemory } from './wasm.js';

/** The backends that have native kernels. `tensorflow` needs tfjs-node, which may be imported later than this. */
const NATIVE_KERNELS: ReadonlyArray<
  [backendName: string, kernels: (addon: NativeAddon, device: DeviceChoice) => KernelConfig[]]
> = [
  ['cpu', (addon, device) => nativeKernels('cpu', cpuMemory, addon, device)],
  ['wasm', (addon, device) => nativeKernels('wasm', wasmMemory, addon, device)],
  ['tensorflow', tensorflowKernels],
];

/** What came of each backend; one attempt is enough. */
const outcomes = new Map<string, boolean>();

/**
 * Sees to it that a backend has its native kernels, at the first use of that backend. May be called again.
 *
 * COSFACE_BACKEND=js never uses the binary. COSFACE_BACKEND=native uses nothing else: a missing binary or a backend
 * without native kernels is then an error.
 *
 * @returns Whether kernels are registered. If not, the composed ops do the work; in Node a warning with the code
 * COSFACE_COMPOSED_FALLBACK says why, once.
 * @throws {CosFaceError} COSFACE_NO_BINARY or COSFACE_UNSUPPORTED with COSFACE_BACKEND=native;
 * COSFACE_ENVIRONMENT or COSFACE_DEVICE_UNAVAILABLE for what COSFACE_BACKEND or COSFACE_DEVICE asks in vain.
 */
export function registerKernels(backendName: string): boolean {
  let outcome = outcomes.get(backendName);
  if (outcome === undefined) {
    outcome = register(backendName);
    outcomes.set(backendName, outcome);
  }
  return outcome;
}

function register(backendName: string): boolean {
  const choice = globalThis.process ? backendChoice() : 'js';
  if (choice === 'js') return false;
  const device = chooseDevice(undefined);
  const kernels = NATIVE_KERNELS.find(([name]) => name === backendName)?.[1];
  if (!kernels) {
    if (choice === 'native') throw unsupported(backendName);
    return false;
  }
  if (getKernel(MarginSoftmax, backendName)) return true;
  try {
    const addon = loadAddon();
    if (device.device === 'cuda') addon.usesCuda(device);
    for (const kernel of kernels(addon, device)) registerKernel(kernel);
    return true;
  } catch (error) {
    if (choice === 'native' || device.device === 'cuda' || !(error instanceof CosFaceError)) throw error;
    warnFallback(backendName, error);
    return false;
  }
}

function unsupported(backendName: string): CosFaceError {
  const known = NATIVE_KERNELS.map(([name]) => name).join(', ');
  return new CosFaceError(
    'COSFACE_UNSUPPORTED',
    `COSFACE_BACKEND is 'native' but the TensorFlow.js backend '${backendName}' has no native kernel; ${known} have. ` +
      "Choose one with tf.setBackend(), or unset COSFACE_BACKEND to use the composed operations on '" +
      `${backendName}'.`,
  );
}

function warnFallback(backendName: string, reason: CosFaceError): void {
  warnOnce(
    'COSFACE_COMPOSED_FALLBACK',
    backendName,
    `no native kernel for the backend '${backendName}': plain TensorFlow.js operations are used, which are slower and ` +
      'take more memory. To get the native kernel, follow the advice below; to keep the composed operations without ' +
      `this warning, set COSFACE_BACKEND=js.\n${reason.message}`,
  );
}
