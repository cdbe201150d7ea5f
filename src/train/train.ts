import { setImmediate } from 'node:timers/promises';
import { type AdamOptimizer, dispose, type Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { type Random, shuffled } from './random.js';
import type { Schedule } from './schedule.js';

/** What one step found out, on its own batch and before its update. */
export interface StepReport {
  /** Counted from 0, over all epochs. */
  step: number;
  loss: number;
  accuracy: number;
  /** How many samples the step has seen. */
  samples: number;
}

export interface TrainOptions {
  /** Compiled with `optimizer`, and with the accuracy as its only metric. */
  model: LayersModel;
  optimizer: AdamOptimizer;
  /** How many samples there are. */
  size: number;
  /** The samples of these indices; `train` disposes both tensors. */
  batch: (indices: readonly number[]) => { inputs: Tensor; targets: Tensor };
  batchSize: number;
  epochs: number;
  schedule: Schedule;
  /** Decides the order of the samples. */
  random: Random;
  onStep?: (report: StepReport) => void;
}

/** How many steps `train` takes. */
export function trainingSteps({
  size,
  batchSize,
  epochs,
}: Pick<TrainOptions, 'size' | 'batchSize' | 'epochs'>): number {
  return epochs * Math.floor(size / batchSize);
}

/**
 * Trains by mini-batches in an order of its own random source; the samples that do not fill a last batch wait for
 * another epoch. `model.fit` would do the same but for its shuffling, which takes no seed.
 *
 * Returns to the event loop after each step, so that signals and timers get their turn.
 */
export async function train(options: TrainOptions): Promise<void> {
  const { model, optimizer, size, batch, batchSize, epochs, schedule, random, onStep } = options;
  const steps = trainingSteps(options) / epochs;
  for (let step = 0, order: number[] = []; step < steps * epochs; step++) {
    const place = step % steps;
    if (place === 0) order = shuffled(Array(size).keys(), random);
    setLearningRate(optimizer, schedule(step));
    const { inputs, targets } = batch(order.slice(place * batchSize, (place + 1) * batchSize));
    const [loss, accuracy] = (await model.trainOnBatch(inputs, targets)) as [number, number];
    dispose([inputs, targets]);
    onStep?.({ step, loss, accuracy, samples: batchSize });
    await setImmediate();
  }
}

/** Adam reads it anew at every step, but tfjs 4.22 declares it protected and has a setter in SGD alone. */
function setLearningRate(optimizer: AdamOptimizer, rate: number): void {
  (optimizer as unknown as { learningRate: number }).learningRate = rate;
}
