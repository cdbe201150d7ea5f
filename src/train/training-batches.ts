import { epochOrder } from '../data/epoch-order.js';
import { type FaceBatch, type FaceBatchOptions, faceBatches } from '../data/face-batches.js';
import type { FaceSet } from '../data/face-set.js';
import { seededRandom, shuffled } from './random.js';

/** Where a training is in its images; plain data. */
export interface DataPosition {
  /** Which stretch of epochs. */
  stretch: number;
  /** The place in that stretch's order. */
  next: number;
}

export const DATA_START: DataPosition = { stretch: 0, next: 0 };

export interface TrainingBatchOptions extends Omit<FaceBatchOptions, 'order' | 'start' | 'epoch' | 'dropLast'> {
  /** Images of one identity that stay together. */
  imagesPerIdentity: number;
  from: DataPosition;
}

export interface TrainingBatch extends FaceBatch {
  /** Where to go on after it, to the same bits. */
  position: DataPosition;
}

/** Threads start anew with each stretch, so one has many epochs where a set is small. */
const STRETCH_IMAGES = 2 ** 16;

/** Full batches without end, epoch after epoch; an epoch's last images share a batch with the first of the next. */
export async function* trainingBatches(set: FaceSet, options: TrainingBatchOptions): AsyncGenerator<TrainingBatch> {
  const { imagesPerIdentity, from, ...batchOptions } = options;
  let { stretch, next } = from;
  for (; ; stretch++, next = 0) {
    const order = stretchOrder(set, { stretch, imagesPerIdentity, seed: batchOptions.seed ?? 0 });
    const batches = faceBatches(set, { ...batchOptions, order, start: next, epoch: stretch, dropLast: true });
    for await (const batch of batches) yield { ...batch, position: { stretch, next: batch.next } };
  }
}

interface StretchOptions {
  stretch: number;
  imagesPerIdentity: number;
  seed: number | string;
}

function stretchOrder(set: FaceSet, { stretch, imagesPerIdentity, seed }: StretchOptions): Int32Array {
  const epochs = Math.max(1, Math.ceil(STRETCH_IMAGES / set.size));
  const order = new Int32Array(epochs * set.size);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const number = stretch * epochs + epoch;
    const plain = epochOrder(set.size, seed, number);
    order.set(
      imagesPerIdentity === 1 ? plain : grouped(plain, set.labels, { imagesPerIdentity, seed: `${seed} ${number}` }),
      epoch * set.size,
    );
  }
  return order;
}

/** The same images with those of an identity side by side, so many at a time. */
export function grouped(
  order: Int32Array,
  labels: Int32Array,
  { imagesPerIdentity, seed }: { imagesPerIdentity: number; seed: string },
): Int32Array {
  const open = new Map<number, number[]>();
  const groups: number[][] = [];
  for (const index of order) {
    const label = labels[index] as number;
    let group = open.get(label);
    if (!group) {
      group = [];
      open.set(label, group);
      groups.push(group);
    }
    group.push(index);
    if (group.length === imagesPerIdentity) open.delete(label);
  }
  return Int32Array.from(shuffled(groups, seededRandom(`groups ${seed}`)).flat());
}
