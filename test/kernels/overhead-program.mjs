// Prints the cost of a tiny cosFaceLoss on the cpu backend in microseconds, as a program of its own: under the test
// runner every call of an imported function takes a detour, which would be measured too.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { cosFaceLoss } from '../../dist/index.js';

await tf.setBackend('cpu');
const embeddings = tf.randomNormal([4, 8]);
const weights = tf.randomNormal([3, 8]);
const labels = tf.tensor1d([0, 1, 2, 0], 'int32');

function medianOfRound() {
  const times = Array.from({ length: 400 }, () => {
    const start = process.hrtime.bigint();
    cosFaceLoss(embeddings, weights, labels, { scale: 64, margin: 0.35 }).dispose();
    return Number(process.hrtime.bigint() - start) / 1000;
  });
  return times.sort((a, b) => a - b)[200];
}

// The best round: other work on the machine only ever adds, and the first rounds run before the code is compiled.
console.log(Math.min(...Array.from({ length: 80 }, medianOfRound)).toFixed(1));
