// A page's program: the package as a bundler finds it for browsers, with every backend.
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import * as cosface from 'cosface';
import { iResNet } from 'cosface/models';
import { outcomeOfVector } from '../../loss/family/vector-outcome.ts';

setWasmPaths('/wasm/');

const arraysOf = (tensors) =>
  Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, [...(await tensor.data())]]));

/** Which backend is at work in the end, as tf.setBackend may fall back without a word. */
async function useBackend(name) {
  await tf.setBackend(name);
  await tf.ready();
  return tf.getBackend();
}

const hasKernels = () => tf.getKernel('MarginSoftmax', tf.getBackend()) !== undefined;

async function vectors({ problems, cases }) {
  const outcomes = [];
  for (const one of cases) {
    const tensors = outcomeOfVector(cosface, problems, one);
    outcomes.push(Object.fromEntries(await arraysOf(tensors)));
    tf.dispose(tensors);
  }
  return outcomes;
}

/** The losses of some epochs of model.fit with a head: they must fall. */
async function fitHead() {
  const labels = tf.tensor1d(
    Array.from({ length: 32 }, (_, i) => i % 3),
    'int32',
  );
  const centres = tf.randomNormal([3, 4], 0, 1, 'float32', 1);
  const features = tf.gather(centres, labels);
  const head = cosface.cosFaceHead({ numClasses: 3, scale: 8, margin: 0.1 });
  const model = sequential({ layers: [layers.dense({ units: 2, inputShape: [4] }), head] });
  model.compile({ optimizer: tf.train.adam(0.05), loss: head.loss });
  const { history } = await model.fit(features, labels, { epochs: 8, batchSize: 16, verbose: 0 });
  tf.dispose([labels, centres, features]);
  return history.loss;
}

globalThis.program = { useBackend, hasKernels, vectors, fitHead, backbone: typeof iResNet };
