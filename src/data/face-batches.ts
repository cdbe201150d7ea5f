import { CosFaceError, spell } from '../native/errors.js';
import { BadFiles } from './bad-files.js';
import { checkAugmentation, type FaceAugmentation } from './face-augmentation.js';
import type { FaceSet } from './face-set.js';
import { type FacePreparer, startFaceThreads } from './face-threads.js';
import type { ImageCache } from './image-cache.js';
import { OrderedTasks } from './ordered-tasks.js';
import type { Normalisation } from './prepare-face.js';

export interface FaceBatchOptions {
  /** Images are resized to this. */
  width: number;
  height: number;
  batchSize: number;
  /** Which images, in which order; see `epochOrder`. Default: all, as they are in the set. */
  order?: ArrayLike<number>;
  /** Place in `order` to begin at: a batch's `next` goes on after it, to the same bits. Default 0. */
  start?: number;
  /** What `augmentation` does to an image follows from seed, epoch and place in `order`. Default 0. */
  seed?: number | string;
  epoch?: number;
  /** Default: none. */
  augmentation?: FaceAugmentation;
  /** Default 'cosface'. */
  normalisation?: Normalisation;
  /** Default: the first bad image is an error. Others are left out of their batch, which the next images fill. */
  badFiles?: BadFiles;
  /** Threads that decode and augment. They change no bit. 0: this thread. Default: by the number of cores. */
  threads?: number;
  /** Batches that are prepared ahead: memory is bounded by them. Default 2. */
  prefetch?: number;
  /** Keeps decoded images, of one size, from epoch to epoch. Default: none. */
  cache?: ImageCache;
  /** Leaves out a last batch that is not full. Default false. */
  dropLast?: boolean;
}

export interface FaceBatch {
  /** [N, height, width, 3], normalised. The caller's own: no later batch writes to it. */
  pixels: Float32Array;
  /** [N] */
  labels: Int32Array;
  /** The images' places in the set, [N]. */
  indices: Int32Array;
  /** The place in `order` after the last image that this batch took or left out. */
  next: number;
}

/** Images read at once; beyond a few, a disk gains nothing. */
const READS_AT_ONCE = 16;

/**
 * Batches of a set's images, decoded, augmented and normalised ahead of their use. Order and bits depend on seed, epoch
 * and `order` alone, never on threads, prefetching or timing.
 *
 * @throws {CosFaceError} A bad image where `badFiles` says so, or an option out of range.
 * @example
 * const options = { width: 96, height: 112, batchSize: 128, order: epochOrder(faces.size, 1, epoch), seed: 1, epoch };
 * for await (const { pixels, labels } of faceBatches(faces, { ...options, augmentation: { flip: 0.5 } })) { ... }
 */
export async function* faceBatches(set: FaceSet, options: FaceBatchOptions): AsyncGenerator<FaceBatch> {
  checkOptions(options);
  const { width, height, normalisation = 'cosface', augmentation, threads, batchSize, dropLast = false } = options;
  const { order = { length: set.size }, start = 0, prefetch = 2, badFiles = new BadFiles('fail') } = options;
  const preparer = startFaceThreads({ width, height, normalisation, augmentation }, threads);
  const samples = new OrderedTasks(start, order.length, (at) => readSample({ set, preparer, badFiles, options }, at), {
    // Deep enough for the threads to go on while this thread is busy with a step.
    running: Math.max(READS_AT_ONCE, preparer.threads === 0 ? 0 : batchSize),
    ahead: Math.max(1, prefetch) * batchSize,
  });
  try {
    let batch = new GrowingBatch(batchSize, width * height * 3);
    for (let at = start; ; at++) {
      const sample = await samples.take();
      if (!sample) break;
      if (sample.value) batch.add(sample.value);
      if (batch.size < batchSize) continue;
      yield batch.finish(at + 1);
      batch = new GrowingBatch(batchSize, width * height * 3);
    }
    if (batch.size > 0 && !dropLast) yield batch.finish(order.length);
  } finally {
    await samples.stop();
    await preparer.close();
  }
}

interface Sample {
  index: number;
  label: number;
  input: Float32Array;
}

interface SampleSource {
  set: FaceSet;
  preparer: FacePreparer;
  badFiles: BadFiles;
  options: FaceBatchOptions;
}

/** `undefined` where the image is bad and is left out. */
async function readSample({ set, preparer, badFiles, options }: SampleSource, at: number): Promise<Sample | undefined> {
  const { order, cache, seed = 0, epoch = 0 } = options;
  const index = order ? (order[at] as number) : at;
  const name = set.nameOf(index);
  try {
    const kept = cache?.get(index);
    const source = kept ? { decoded: kept } : { encoded: await set.read(index) };
    const { input, decoded } = await preparer.prepare({ name, source, seed: `face ${seed} ${epoch} ${at}` });
    if (!kept) cache?.add(index, decoded);
    return { index, label: set.labels[index] as number, input };
  } catch (error) {
    badFiles.add(name, error);
    return undefined;
  }
}

class GrowingBatch {
  readonly #pixels: Float32Array;
  readonly #labels: Int32Array;
  readonly #indices: Int32Array;
  readonly #values: number;
  size = 0;

  constructor(batchSize: number, values: number) {
    this.#values = values;
    this.#pixels = new Float32Array(batchSize * values);
    this.#labels = new Int32Array(batchSize);
    this.#indices = new Int32Array(batchSize);
  }

  add({ index, label, input }: Sample): void {
    this.#pixels.set(input, this.size * this.#values);
    this.#labels[this.size] = label;
    this.#indices[this.size] = index;
    this.size++;
  }

  finish(next: number): FaceBatch {
    return {
      pixels: this.#pixels.subarray(0, this.size * this.#values),
      labels: this.#labels.subarray(0, this.size),
      indices: this.#indices.subarray(0, this.size),
      next,
    };
  }
}

function checkOptions(options: FaceBatchOptions): void {
  const { width, height, batchSize, start = 0, prefetch = 2, threads = 0, augmentation } = options;
  const whole: [name: string, value: number, least: number, most: number][] = [
    ['width', width, 1, 4096],
    ['height', height, 1, 4096],
    ['batchSize', batchSize, 1, 65_536],
    ['start', start, 0, 2 ** 31 - 1],
    ['prefetch', prefetch, 1, 64],
    ['threads', threads, 0, 64],
  ];
  for (const [name, value, least, most] of whole) {
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    const text = `${name} is ${spell(value)}, expected a whole number from ${least} to ${most}.`;
    throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: name });
  }
  if (augmentation) checkAugmentation(augmentation);
}
