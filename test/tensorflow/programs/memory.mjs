// Resident memory over many calls of the op; argument: 'scales' (each call another scale, margin and tolerance) or 'errors'.
import { argv } from 'node:process';
import tf from '@tensorflow/tfjs-node';
import { cosFaceLoss } from 'cosface';

const CALLS = 10_000;
const x = tf.tensor2d([1, 0, 0, 1], [2, 2]);
const w = tf.tensor2d([1, 0, 0, 1, -1, 0], [3, 2]);
const good = tf.tensor1d([0, 1], 'int32');
const bad = tf.tensor1d([0, 3], 'int32');
let calls = 0;

function once() {
  calls++;
  if (argv[2] === 'scales') {
    const options = { scale: 1 + calls / 1000, margin: 0.1 + calls / 1e6, gradientTolerance: calls / 1e6 };
    cosFaceLoss(x, w, good, options).dispose();
    return;
  }
  try {
    cosFaceLoss(x, w, bad).dispose();
  } catch (error) {
    if (error.code !== 'COSFACE_LABEL_RANGE') throw error;
  }
}

function residentAfter(count) {
  for (let i = 0; i < count; i++) once();
  globalThis.gc();
  return process.memoryUsage.rss();
}

const { binding } = tf.backend();
// The allocators' pools fill first.
const before = { rss: residentAfter(CALLS / 2), handles: binding.getNumOfTensors(), tensors: tf.memory().numTensors };
const after = { rss: residentAfter(CALLS), handles: binding.getNumOfTensors(), tensors: tf.memory().numTensors };
console.log(JSON.stringify({ before, after, calls }));
