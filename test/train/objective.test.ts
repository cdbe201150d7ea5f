import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { leastScale } from '../../src/loss/bounds.js';
import { LOSSES } from '../../src/train/loss-names.js';
import { checkLoss, createObjective, type LossSettings } from '../../src/train/objective.js';
import { Sgd } from '../../src/train/sgd.js';

beforeAll(() => void tf.setBackend('cpu'));

const make = (settings: LossSettings, numClasses = 6, dim = 5) =>
  createObjective({ settings, numClasses, dim, seed: 3 });

test.each(LOSSES)('%s: its parameters learn, and nothing is left behind', (name) => {
  const objective = make({ name });
  const x = tf.variable(tf.randomNormal([12, 5], 0, 1, 'float32', 4));
  const y = tf.tensor1d(
    Array.from({ length: 12 }, (_, i) => i % 6),
    'int32',
  );
  const all = [{ name: 'x', variable: x, decays: false }, ...objective.parameters];
  const optimizer = new Sgd(all, { momentum: 0, weightDecay: 0 });
  const variables = all.map(({ variable }) => variable);
  const step = (number: number) => {
    const { value, grads } = tf.variableGrads(() => objective.loss(x, y, { step: number, rate: 0.05 }), variables);
    const gradients = variables.map((variable) => grads[variable.name]!);
    for (const [at, gradient] of gradients.entries())
      if (number === 0)
        expect(
          gradient.dataSync().some((g) => g !== 0),
          all[at]!.name,
        ).toBe(true);
    const length = Math.sqrt(tf.tidy(() => tf.addN(gradients.map((g) => tf.sum(tf.square(g)))).dataSync()[0]!));
    optimizer.update(gradients, { rate: 0.05, factor: Math.min(1, 1 / length) });
    const loss = value.dataSync()[0]!;
    tf.dispose([value, grads as never]);
    return loss;
  };
  const first = step(0);
  const before = tf.memory().numTensors;
  let last = first;
  for (let number = 1; number < 30; number++) last = step(number);
  expect(tf.memory().numTensors).toBe(before);
  expect(Number.isFinite(last)).toBe(true);
  // What changes as the training goes on is not to be compared with itself.
  if (!['adacos', 'curricularface', 'sphereface', 'a-softmax', 'l-softmax'].includes(name))
    expect(last).toBeLessThan(first);
  optimizer.dispose();
  objective.dispose();
  tf.dispose([x, y]);
});

test('centres start at 1 / sqrt(D), by the seed, and the scale from the bound of the paper', () => {
  const one = make({ name: 'cosface' }, 539, 128);
  const centers = one.parameters[0]!.variable;
  expect(centers.shape).toEqual([539, 128]);
  const values = centers.dataSync();
  const deviation = Math.sqrt(Array.from(values).reduce((sum, value) => sum + value ** 2, 0) / values.length);
  expect(deviation * Math.sqrt(128)).toBeCloseTo(1, 1);
  expect(one.options['scale']).toBeCloseTo(leastScale({ numClasses: 539, posterior: 0.9999 }), 2);
  expect(one.options['scale']).toBeCloseTo(15.47, 1);
  expect(make({ name: 'cosface', scale: 30 }).options['scale']).toBe(30);
  const same = make({ name: 'cosface' }, 539, 128).parameters[0]!.variable.dataSync();
  expect(same).toEqual(values);
  expect(
    createObjective({
      settings: { name: 'cosface' },
      numClasses: 539,
      dim: 128,
      seed: 4,
    }).parameters[0]!.variable.dataSync(),
  ).not.toEqual(values);
});

test('learned beside the centres: what the loss has', () => {
  const names = (settings: LossSettings) => make(settings).parameters.map(({ name }) => name);
  expect(names({ name: 'softmax', bias: true })).toEqual(['head/centers', 'head/bias']);
  expect(names({ name: 'softmax' })).toEqual(['head/centers']);
  expect(names({ name: 'triplet' })).toEqual([]);
  expect(names({ name: 'center' })).toEqual(['head/centers', 'head/feature-centers']);
  const uniface = make({ name: 'uniface' }).parameters[1]!;
  expect(uniface.variable.dataSync()[0]).toBeCloseTo(Math.log(60), 5);
  expect(make({ name: 'uniface', bias: 2 }).parameters[1]!.variable.dataSync()[0]).toBe(2);
  expect(make({ name: 'subcenter-arcface' }).parameters[0]!.variable.shape).toEqual([18, 5]);
});

test('how well the centres fit: nearest centre and cosine, sub-centres too', async () => {
  for (const settings of [{ name: 'cosface' }, { name: 'subcenter-arcface' }] as LossSettings[]) {
    const objective = make(settings);
    const rows = objective.parameters[0]!.variable;
    const each = rows.shape[0]! / 6;
    const x = tf.gather(rows, tf.tensor1d([0, each, 3 * each, 5 * each], 'int32'));
    const before = tf.memory().numTensors;
    const right = await objective.fit(x, tf.tensor1d([0, 1, 3, 5], 'int32'));
    expect(right?.accuracy).toBe(1);
    expect(right?.targetCosine).toBeCloseTo(1, 5);
    expect((await objective.fit(x, tf.tensor1d([0, 1, 2, 2], 'int32')))?.accuracy).toBe(0.5);
    expect(tf.memory().numTensors).toBe(before + 2);
  }
  expect(await make({ name: 'triplet' }).fit(tf.zeros([2, 5]), tf.tensor1d([0, 1], 'int32'))).toBeUndefined();
});

test('options that a loss has not, or out of range, are refused before training', () => {
  expect(() => checkLoss({ name: 'cosface', margin: 3 })).toThrow(/COSFACE_OPTION_RANGE: margin is 3/);
  expect(() => checkLoss({ name: 'cosface', margn: 0.3 })).toThrow(/margn is not an option here/);
  expect(() => checkLoss({ name: 'center', weight: 0 })).toThrow(/weight is 0/);
  expect(() => checkLoss({ name: 'triplet', mining: 'soft' })).toThrow(/mining is 'soft'/);
  expect(() => checkLoss({ name: 'sphereface', annealing: { base: -1 } })).toThrow(/base is -1/);
  for (const name of LOSSES) checkLoss({ name });
});
