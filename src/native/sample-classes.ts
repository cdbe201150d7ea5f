import { CosFaceError, spell } from './errors.js';

/** Arguments of sampleClasses. */
export interface SampleClassesOptions {
  /** y, [N], each in [0, C) or `ignoreLabel`. */
  labels: Int32Array;
  /** C. */
  numClasses: number;
  /** The part of the classes that is wanted, in (0, 1]. */
  rate: number;
  /** Whole number; default 0. */
  seed?: number | undefined;
  /** The number of the training step, so that each step has a sample of its own: whole number, default 0. */
  step?: number | undefined;
  /** The label of samples that count for nothing. Default -1. */
  ignoreLabel?: number | undefined;
}

/**
 * Class sampling (PartialFC): the classes of all labels, and a uniform sample without replacement of the others, together
 * ceil(rate C); more only where the labels alone have more classes. For `classIds` of marginSoftmax and ResidentHead.
 *
 * The same seed and step give the same classes on every machine. Time and memory: O(C / 32 + sample), about 2 ms for a
 * tenth of a million.
 *
 * @returns [S], rising.
 * @throws {CosFaceError} COSFACE_DTYPE, COSFACE_OPTION_RANGE, COSFACE_LABEL_RANGE, each with the argument.
 *
 * Source: An et al., Killing two birds with one stone, CVPR 2022, https://arxiv.org/abs/2203.15565, section 3.2.
 *
 * @example
 * const classIds = sampleClasses({ labels, numClasses: 1e6, rate: 0.1, seed: 7, step });
 * const { loss, dWeights } = marginSoftmax({ embeddings, weights, labels, dim: 512, classIds, gradients: true });
 */
export function sampleClasses(options: SampleClassesOptions): Int32Array {
  const { labels, numClasses, rate, seed = 0, step = 0, ignoreLabel = -1 } = options;
  checkOptions({ labels, numClasses, rate, seed, step });
  const taken = new Bits(numClasses);
  for (const [i, label] of labels.entries()) {
    if (label === ignoreLabel) continue;
    if (label < 0 || label >= numClasses) throw labelError(i, label, numClasses);
    taken.add(label);
  }
  const free = numClasses - taken.count;
  const wanted = Math.min(Math.max(Math.ceil(rate * numClasses) - taken.count, 0), free);
  const random = randomIntegers(seed, step);
  if (wanted <= free / 2) {
    const total = taken.count + wanted;
    while (taken.count < total) taken.add(below(numClasses, random));
    return taken.list();
  }
  // Of a large sample the classes left out are fewer to draw.
  const leftOut = new Bits(numClasses);
  while (leftOut.count < free - wanted) {
    const c = below(numClasses, random);
    if (!taken.has(c)) leftOut.add(c);
  }
  return leftOut.listOthers();
}

/** A set of whole numbers below `size`. */
class Bits {
  count = 0;
  readonly size: number;
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.size = size;
    this.#words = new Uint32Array(Math.ceil(size / 32));
  }

  has(value: number): boolean {
    return (((this.#words[value >>> 5] as number) >>> (value & 31)) & 1) === 1;
  }

  add(value: number): void {
    if (this.has(value)) return;
    this.#words[value >>> 5] = (this.#words[value >>> 5] as number) | (1 << (value & 31));
    this.count++;
  }

  /** Rising. */
  list(): Int32Array {
    return this.#list(this.count, 0);
  }

  listOthers(): Int32Array {
    return this.#list(this.size - this.count, -1);
  }

  #list(count: number, flip: 0 | -1): Int32Array {
    const values = new Int32Array(count);
    let k = 0;
    for (let w = 0; w < this.#words.length; w++) {
      // Bits beyond the size come last, where `count` ends the list.
      for (let bits = (this.#words[w] as number) ^ flip; bits !== 0 && k < count; bits &= bits - 1)
        values[k++] = 32 * w + 31 - Math.clz32(bits & -bits);
    }
    return values;
  }
}

/** A uniform whole number in [0, count). */
function below(count: number, random: () => number): number {
  const limit = 2 ** 32 - (2 ** 32 % count);
  for (;;) {
    const value = random();
    if (value < limit) return value % count;
  }
}

/**
 * Whole numbers in [0, 2^32): xoshiro128** (Blackman and Vigna, ACM TOMS 2021), its state from the finaliser of
 * MurmurHash3 over seed and step. In 32-bit arithmetic, which every engine does alike.
 */
function randomIntegers(seed: number, step: number): () => number {
  let hash = 0x9e3779b9;
  const mix = (value: number): number => {
    hash = Math.imul(hash ^ value, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    return hash;
  };
  for (const number of [seed, step]) {
    mix(number | 0);
    mix(Math.floor(number / 2 ** 32) | 0);
  }
  let [a, b, c, d] = [mix(1), mix(2), mix(3), mix(4) | 1];
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function checkOptions(options: SampleClassesOptions & { seed: number; step: number }): void {
  const { labels, numClasses, rate, seed, step } = options;
  if (!(labels instanceof Int32Array))
    throw new CosFaceError('COSFACE_DTYPE', `labels is ${spell(labels)}, expected an Int32Array.`, {
      argument: 'labels',
    });
  requireOption('numClasses', numClasses, isWhole(numClasses, 1, 2 ** 31 - 1), 'a whole number in [1, 2^31)');
  requireOption('rate', rate, rate > 0 && rate <= 1, 'a number in (0, 1]; 0.1 takes a tenth of the classes');
  const { MAX_SAFE_INTEGER: most } = Number;
  requireOption('seed', seed, isWhole(seed, -most, most), 'a whole number');
  requireOption('step', step, isWhole(step, 0, most), 'a whole number of at least 0');
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function requireOption(argument: string, value: unknown, holds: boolean, expected: string): void {
  if (typeof value === 'number' && holds) return;
  throw new CosFaceError('COSFACE_OPTION_RANGE', `${argument} is ${spell(value)}, expected ${expected}.`, { argument });
}

function labelError(index: number, label: number, numClasses: number): CosFaceError {
  return new CosFaceError(
    'COSFACE_LABEL_RANGE',
    `labels[${index}] is ${label}, expected a whole number in [0, ${numClasses}) or the label to ignore. Labels count ` +
      'from zero: subtract 1 if the data set counts from one.',
    { argument: 'labels', index },
  );
}
