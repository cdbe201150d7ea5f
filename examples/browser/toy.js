import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers, sequential } from '@tensorflow/tfjs-layers';
import { cosFaceHead, withoutHead } from 'cosface';

const CLASSES = 8;
const INPUTS = 16;
const SAMPLES_OF_CLASS = 60;
const EPOCHS = 60;
const SCALE = 16;
const find = (id) => document.getElementById(id);

/** Points around a centre for each class, the same at every start. */
function makeData() {
  const centres = tf.randomNormal([CLASSES, INPUTS], 0, 1, 'float32', 1);
  const classes = Array.from({ length: CLASSES * SAMPLES_OF_CLASS }, (_, i) => i % CLASSES);
  const labels = tf.tensor1d(classes, 'int32');
  const points = tf.tidy(() =>
    tf.add(tf.gather(centres, labels), tf.randomNormal([classes.length, INPUTS], 0, 0.5, 'float32', 2)),
  );
  centres.dispose();
  return { points, labels, classes };
}

function makeModel(margin) {
  const seeded = (seed) => initializers.glorotUniform({ seed });
  const head = cosFaceHead({ numClasses: CLASSES, scale: SCALE, margin, seed: 5 });
  const model = sequential({
    layers: [
      layers.dense({ units: 64, activation: 'relu', inputShape: [INPUTS], kernelInitializer: seeded(3) }),
      layers.dense({ units: 2, kernelInitializer: seeded(4) }),
      head,
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.01), loss: head.loss });
  return model;
}

/** Dots, one colour for each class; `toUnit` puts them on the unit circle. */
function draw(canvas, features, classes, toUnit) {
  const context = canvas.getContext('2d');
  const { width, height } = canvas;
  const lengths = classes.map((_, i) => Math.hypot(features[2 * i], features[2 * i + 1]) || 1);
  const reach = toUnit ? 1.15 : 1.05 * Math.max(...lengths);
  context.clearRect(0, 0, width, height);
  for (const [i, c] of classes.entries()) {
    const by = (toUnit ? 1 / lengths[i] : 1) / reach / 2;
    context.fillStyle = `hsl(${(360 * c) / CLASSES} 65% 45% / 0.6)`;
    context.beginPath();
    context.arc(width * (0.5 + features[2 * i] * by), height * (0.5 - features[2 * i + 1] * by), 3, 0, 2 * Math.PI);
    context.fill();
  }
}

/** The mean cosine of a feature to the mean direction of its class: 1 where each class is one point of the circle. */
function tightness(features, classes) {
  const sums = Array.from({ length: CLASSES }, () => [0, 0, 0]);
  for (const [i, c] of classes.entries()) {
    const length = Math.hypot(features[2 * i], features[2 * i + 1]) || 1;
    sums[c][0] += features[2 * i] / length;
    sums[c][1] += features[2 * i + 1] / length;
    sums[c][2] += 1;
  }
  return sums.reduce((mean, [x, y, count]) => mean + Math.hypot(x, y) / count / CLASSES, 0);
}

function say(text, state) {
  const progress = find('progress');
  progress.dataset.state = state;
  progress.textContent = text;
}

async function train(margin) {
  const { points, labels, classes } = makeData();
  const model = makeModel(margin);
  const net = withoutHead(model);
  const show = async (epoch, { loss }) => {
    const output = net.predict(points);
    const features = await output.data();
    output.dispose();
    draw(find('plane'), features, classes, false);
    draw(find('circle'), features, classes, true);
    const tight = tightness(features, classes).toFixed(4);
    say(`Epoch ${epoch + 1} of ${EPOCHS}: loss ${loss.toFixed(4)}, tightness ${tight}`, 'training');
    await tf.nextFrame();
  };
  try {
    await model.fit(points, labels, { epochs: EPOCHS, batchSize: 96, verbose: 0, callbacks: { onEpochEnd: show } });
    find('progress').dataset.state = 'done';
  } finally {
    tf.dispose([points, labels]);
    model.dispose();
  }
}

find('margin').addEventListener('input', ({ target }) => {
  find('margin-value').textContent = Number(target.value).toFixed(2);
});
find('settings').addEventListener('submit', async (event) => {
  event.preventDefault();
  const [button] = event.target.getElementsByTagName('button');
  button.disabled = true;
  try {
    await train(Number(find('margin').value));
  } catch (error) {
    say(error.message, 'error');
  }
  button.disabled = false;
});
