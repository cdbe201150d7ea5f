// What a training step takes, and what share of it the head has.
//
//   npm run build && node bench/train/step.mjs [--backbone sphereface20] [--size 112x96] [--batch 64] [--classes 10575]
//     [--dim 512] [--turns 5] [--json FILE]
//
// The head is the loss with both gradients and the update of the centres, on embeddings that are there; the step is all of
// that and the net, forward and backward, with its update. Both are run in turns and the medians count, so that other work on the machine
// meets both.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { cosFaceLoss } from '../../dist/index.js';
import { backbone } from '../../dist/models/index.js';
import { useTrainingBackend } from '../../dist/train/index.js';

const { values } = parseArgs({
  options: {
    backbone: { type: 'string', default: 'sphereface20' },
    size: { type: 'string', default: '112x96' },
    batch: { type: 'string', default: '64' },
    classes: { type: 'string', default: '10575' },
    dim: { type: 'string', default: '512' },
    turns: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const [height, width] = values.size.split('x').map(Number);
const [batch, classes, dim, turns] = ['batch', 'classes', 'dim', 'turns'].map((name) => Number(values[name]));

const note = await useTrainingBackend('auto');
if (note) console.error(note);
const tf = await import('@tensorflow/tfjs-core');

const net = backbone({ name: values.backbone, height, width, dim, seed: 1 });
const weights = net.trainableWeights.map((weight) => weight.read());
const centers = tf.variable(tf.randomNormal([classes, dim], 0, 1 / Math.sqrt(dim), 'float32', 1));
const images = tf.randomNormal([batch, height, width, 3], 0, 0.5, 'float32', 2);
const labels = tf.randomUniform([batch], 0, classes, 'int32', 3);
const embeddings = tf.variable(tf.tidy(() => net.predictOnBatch(images)));

/** Momentum SGD with weight decay, as the trainer's. */
const velocities = new Map([...weights, centers].map((weight) => [weight, tf.variable(tf.zerosLike(weight), false)]));
function update(gradients, variables) {
  for (const weight of variables)
    tf.tidy(() => {
      const velocity = velocities.get(weight);
      const next = tf.add(tf.mul(velocity, 0.9), tf.add(gradients[weight.name], tf.mul(weight, 5e-4)));
      velocity.assign(next);
      weight.assign(tf.sub(weight, tf.mul(next, 1e-4)));
    });
}

function timed(x, variables, learnt) {
  const start = performance.now();
  const { value, grads } = tf.variableGrads(() => cosFaceLoss(x(), centers, labels), variables);
  update(grads, learnt);
  value.dataSync();
  centers.dataSync();
  const milliseconds = performance.now() - start;
  tf.dispose([value, grads]);
  return milliseconds;
}

const ways = {
  head: () => timed(() => embeddings, [embeddings, centers], [centers]),
  step: () => timed(() => net.apply(images, { training: true }), [...weights, centers], [...weights, centers]),
};
for (const run of Object.values(ways)) run();
const times = { head: [], step: [] };
for (let turn = 0; turn < turns; turn++) for (const [name, run] of Object.entries(ways)) times[name].push(run());

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const [headMs, stepMs] = [median(times.head), median(times.step)];
const figures = {
  ...{ backbone: values.backbone, height, width, batch, classes, dim, backend: tf.getBackend() },
  ...{ headMs, stepMs, headShare: headMs / stepMs, imagesPerSecond: (1000 * batch) / stepMs, times },
  machine: { cpu: cpus()[0].model, cores: availableParallelism(), loadAverage: loadavg()[0] },
};
console.log(
  `${values.backbone} ${values.size}, ${batch} images, ${classes} classes, D ${dim} on ${figures.backend}: ` +
    `head ${headMs.toFixed(0)} ms of a step of ${stepMs.toFixed(0)} ms, ${(100 * figures.headShare).toFixed(1)} %; ` +
    `${figures.imagesPerSecond.toFixed(1)} images/s. Load average ${figures.machine.loadAverage.toFixed(1)} on ${figures.machine.cores} cores.`,
);
if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
