import '../kernels/restore-is-null-or-undefined.js';
import { startBackend } from '../models/start-backend.js';
import type { TrainSettings } from './train-settings.js';
import { addWasmConvolutionGradients } from './wasm-convolution-gradients.js';
import { speedUpWasmMatMul } from './wasm-mat-mul.js';

/**
 * Starts the TensorFlow.js backend that a training is to run on, for this process: as `startBackend`, and gives `wasm` what
 * it lacks for training.
 *
 * @returns A note for people where `auto` found no TensorFlow, else `undefined`.
 * @throws {CosFaceError} COSFACE_UNSUPPORTED: the backend that was asked for does not start.
 * @example await useTrainingBackend('auto');
 */
export async function useTrainingBackend(asked: TrainSettings['backend']): Promise<string | undefined> {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  const name = await startBackend(asked);
  if (name === 'tensorflow') return undefined;
  speedUpWasmMatMul();
  addWasmConvolutionGradients();
  if (asked === 'wasm') return undefined;
  return 'tfjs-node does not work here, so it trains on WebAssembly, many times slower. npx cosface doctor says why; npx cosface setup-tensorflow makes it work.';
}
