import type { TensorflowRegistration } from '../../native/addon.js';
import { lastLines, runCommand } from '../run-command.js';

/** What a process that loads a tfjs-node package finds. */
export interface TensorflowProbe {
  /** Version of the package. */
  tfjsNode: string;
  /** Version of libtensorflow. */
  tensorflow: string;
  usesGpu: boolean;
  /** Milliseconds to load it. */
  loadMs: number;
  /** This Node lacks util.isNullOrUndefined, so that programs need cosface/tfjs-node-compat. */
  needsCompat: boolean;
  /** What came of registering the op; absent if no addon was given. */
  op?: TensorflowRegistration | { error: string };
}

/** Why a process cannot use the package, in the words it died with. */
export interface FailedProbe {
  error: string;
}

const MARK = 'cosface-probe:';

/** Runs in the child, so that neither a crash nor a conflict of libraries reaches this process. */
const SCRIPT = `
const util = require('node:util');
const [directory, addonPath] = process.argv.slice(1);
const needsCompat = !('isNullOrUndefined' in util);
if (needsCompat) util.isNullOrUndefined = (value) => value === null || value === undefined;
const start = performance.now();
const tf = require(directory);
const loadMs = Math.round(performance.now() - start);
const [product] = tf.matMul([[1, 2]], [[3], [4]]).dataSync();
if (product !== 11) throw new Error('matMul of [1, 2] and [3, 4] gave ' + product);
const { binding } = tf.backend();
const result = {
  tfjsNode: tf.version['tfjs-node'],
  tensorflow: binding.TF_Version,
  usesGpu: binding.isUsingGpuDevice(),
  loadMs,
  needsCompat,
};
if (addonPath) {
  const path = Object.keys(require.cache).find((key) => require.cache[key].exports === binding);
  try {
    result.op = require(addonPath).registerTensorflowOp(path, result.usesGpu ? null : 'TensorFlow uses no GPU.');
  } catch (error) {
    result.op = { error: error.message };
  }
}
console.log('${MARK}' + JSON.stringify(result));
`;

/**
 * Loads a tfjs-node package in a process of its own, multiplies two matrices and, if an addon is given, registers its
 * op there.
 */
export async function probeTensorflow(
  packageDirectory: string,
  addonPath?: string,
): Promise<TensorflowProbe | FailedProbe> {
  const args = ['--no-deprecation', '-e', SCRIPT, packageDirectory, ...(addonPath ? [addonPath] : [])];
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', NODE_OPTIONS: '' };
  const { status, signal, stdout, stderr } = await runCommand(process.execPath, args, { env });
  const line = stdout.split('\n').find((text) => text.startsWith(MARK));
  if (status === 0 && line !== undefined) return JSON.parse(line.slice(MARK.length)) as TensorflowProbe;
  const reason = /^\w*Error: [\s\S]*?(?=\n {4}at )/m.exec(stderr)?.[0] ?? lastLines(stderr, 4);
  return { error: signal ? `ended by ${signal}: ${reason}` : reason };
}
