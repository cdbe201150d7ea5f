// The page of step.mjs: times a loss with its gradients on the wasm backend. `?composed` lets the package's WebAssembly
// fail to open, so that plain TensorFlow.js operations do the work.
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { cosFaceLoss } from 'cosface';

if (location.search === '?composed') {
  WebAssembly.Module = class {
    constructor() {
      throw new Error('composed operations are wanted');
    }
  };
}
setWasmPaths('/wasm/');

/** Milliseconds of each round, and the loss, by which both ways are seen to agree. */
globalThis.timeSteps = async ({ batch, classes, dim, rounds }) => {
  await tf.setBackend('wasm');
  if (tf.getBackend() !== 'wasm') throw new Error(`the backend is ${tf.getBackend()}`);
  const x = tf.randomNormal([batch, dim], 0, 1, 'float32', 1);
  const w = tf.randomNormal([classes, dim], 0, 1, 'float32', 2);
  const y = Int32Array.from({ length: batch }, (_, i) => (7919 * i) % classes);
  const step = tf.valueAndGrads((a, b) => cosFaceLoss(a, b, y));
  const times = [];
  let loss = 0;
  for (let round = -1; round < rounds; round++) {
    const start = performance.now();
    const { value, grads } = step([x, w]);
    for (const tensor of grads) tensor.dataSync();
    loss = value.dataSync()[0];
    // The first warms up: it compiles.
    if (round >= 0) times.push(performance.now() - start);
    tf.dispose([value, grads]);
  }
  tf.dispose([x, w]);
  return { times, loss, kernels: tf.getKernel('MarginSoftmax', 'wasm') !== undefined };
};
