import { createRequire } from 'node:module';
import type * as TfjsNode from '@tensorflow/tfjs-node';
import { describe } from 'vitest';

const require = createRequire(import.meta.url);

function load(): typeof TfjsNode | undefined {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  try {
    return require('@tensorflow/tfjs-node');
  } catch (error) {
    if (process.env['CI']) throw error;
    console.warn('tests of the TensorFlow op are skipped: run `node dist/cli/main.js setup-tensorflow`');
    return undefined;
  }
}

const loaded = load();

/** Only inside `describeTensorflow`. */
export const tf: typeof TfjsNode = loaded as typeof TfjsNode;

/** Skipped where tfjs-node is not set up; with CI set, that fails instead. */
export const describeTensorflow: typeof describe | typeof describe.skip = loaded ? describe : describe.skip;

/** tfjs-node's native binding, as far as the tests ask it. */
export interface Binding {
  getNumOfTensors(): number;
  TF_Version: string;
}

/** Its backend, as far as the tests reach into it. */
export interface TensorflowBackend {
  binding: Binding;
  executeMultipleOutputs(name: string, attrs: object[], inputs: TfjsNode.Tensor[], count: number): TfjsNode.Tensor[];
}

export function backend(): TensorflowBackend {
  return tf.backend() as unknown as TensorflowBackend;
}

export function bindingPath(): string {
  const path = Object.keys(require.cache).find((file) => file.endsWith('tfjs_binding.node'));
  if (path === undefined) throw new Error('tfjs-node is not loaded');
  return path;
}
