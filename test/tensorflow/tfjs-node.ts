import { createRequire } from 'node:module';
import type * as TfjsNode from '@tensorflow/tfjs-node';
import { describe } from 'vitest';

/** Set by the vitest project `tensorflow-gpu`: the package is the one that `npm run setup:tensorflow-gpu` makes. */
const gpu = process.env['COSFACE_TEST_TFJS_NODE_GPU'] !== undefined;
const require = createRequire(gpu ? new URL('../../.tensorflow-gpu/package.json', import.meta.url) : import.meta.url);
const [name, setUp] = gpu
  ? ['@tensorflow/tfjs-node-gpu', 'npm run setup:tensorflow-gpu']
  : ['@tensorflow/tfjs-node', 'node dist/cli/main.js setup-tensorflow'];

function load(): typeof TfjsNode | undefined {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  try {
    return requireQuietly();
  } catch (error) {
    if (process.env['CI']) throw error;
    console.warn(`tests of the op with ${name} are skipped: run \`${setUp}\``);
    return undefined;
  }
}

/** tfjs-node-gpu has a tfjs of its own, which warns of each of 200 kernels that the repository's has registered. */
function requireQuietly(): typeof TfjsNode {
  const { warn } = console;
  if (gpu) console.warn = () => {};
  try {
    return require(name);
  } finally {
    console.warn = warn;
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
