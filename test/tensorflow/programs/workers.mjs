// The op in four worker threads and the main thread at once; argument: who loads it first, 'main' or 'worker'.
import { once } from 'node:events';
import { argv, exit } from 'node:process';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import tf from '@tensorflow/tfjs-node';
import { cosFaceLoss } from 'cosface';

function manyLosses() {
  const x = tf.tensor2d([1, 0, 0, 1], [2, 2]);
  const w = tf.tensor2d([1, 0, 0, 1, -1, 0], [3, 2]);
  let sum = 0;
  for (let i = 0; i < 100; i++) {
    sum += tf
      .tidy(() => tf.valueAndGrads((a, b) => cosFaceLoss(a, b, [0, 1], { scale: 2, margin: 0.5 }))([x, w]))
      .value.dataSync()[0];
  }
  return sum / 100;
}

if (isMainThread) {
  const losses = [];
  if (argv[2] === 'main') losses.push(manyLosses());
  const workers = [1, 2, 3, 4].map(() => new Worker(new URL(import.meta.url)));
  const ended = workers.map(async (worker) => {
    worker.on('message', (loss) => losses.push(loss));
    const [code] = await once(worker, 'exit');
    if (code !== 0) exit(10 + code);
  });
  if (argv[2] === 'main') losses.push(manyLosses());
  await Promise.all(ended);
  // Registered by threads that have ended.
  losses.push(manyLosses());
  console.log(JSON.stringify(losses));
} else {
  parentPort.postMessage(manyLosses());
}
