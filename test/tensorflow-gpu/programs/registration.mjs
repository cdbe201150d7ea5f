// The op in tfjs-node-gpu's TensorFlow, asked for on every device, in two threads and again; then a loss and its gradients.
// Argument: the addon. COSFACE_CUDA_LIBRARY decides whether there is a GPU to register for.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { argv } from 'node:process';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const require = createRequire(new URL('../../../.tensorflow-gpu/package.json', import.meta.url));
const tf = require('@tensorflow/tfjs-node-gpu');
const { binding } = tf.backend();
const bindingPath = Object.keys(require.cache).find((path) => require.cache[path].exports === binding);
const register = (addon) => require(addon).registerTensorflowOp(bindingPath, null);

if (isMainThread) {
  const addon = argv[2];
  const worker = new Worker(new URL(import.meta.url), { workerData: addon });
  const first = once(worker, 'message');
  await once(worker, 'exit');
  const registrations = [(await first)[0], register(addon), register(addon)];

  const { backendInfo } = await import('cosface/native');
  const { cosFaceLoss } = await import('cosface');
  const x = tf.tensor2d([1, 0, 0, 1], [2, 2]);
  const w = tf.tensor2d([1, 0, 0, 1, -1, 0], [3, 2]);
  const { value, grads } = tf.valueAndGrads((a, b) => cosFaceLoss(a, b, [0, 1], { scale: 2, margin: 0.5 }))([x, w]);
  console.log(
    JSON.stringify({
      usesGpu: binding.isUsingGpuDevice(),
      registrations,
      loss: value.dataSync()[0],
      gradients: grads.map((gradient) => [...gradient.dataSync()]),
      info: backendInfo().tensorflow,
    }),
  );
} else {
  const { parentPort } = await import('node:worker_threads');
  parentPort.postMessage(register(workerData));
}
