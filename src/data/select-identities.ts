import { seededRandom, shuffled } from '../train/random.js';
import { dataError } from './data-error.js';
import type { FaceSet } from './face-set.js';

/** Some identities of a set, as a set of its own: labels count anew from 0, in the old order. Closing it closes the set. */
export function selectIdentities(set: FaceSet, keep: (label: number) => boolean): FaceSet {
  const kept = set.identities.map((_, label) => label).filter(keep);
  const labelOf = new Map(kept.map((label, place) => [label, place]));
  const indices = Int32Array.from(set.labels.keys()).filter((index) => labelOf.has(set.labels[index] as number));
  const at = (index: number) => indices[index] as number;
  return {
    size: indices.length,
    identities: kept.map((label) => set.identities[label] as string),
    labels: Int32Array.from(indices, (index) => labelOf.get(set.labels[index] as number) as number),
    notes: [],
    nameOf: (index) => set.nameOf(at(index)),
    read: (index) => set.read(at(index)),
    close: () => set.close(),
  };
}

export interface HoldOutOptions {
  /** Of the identities, each in [0, 1): the sizes of the parts that are held out. */
  shares: readonly number[];
  /** What is trained needs so many images of an identity; what is held out does not. */
  minimumImages: number;
  seed: number | string;
}

/**
 * Parts of a set that share no identity: those held out, one for each share, and what is left to train. Which identity goes where follows
 * from the seed and the identities' names alone.
 *
 * @throws {CosFaceError} COSFACE_DATA: nobody is left to train.
 */
export function holdOut(
  set: FaceSet,
  { shares, minimumImages, seed }: HoldOutOptions,
): { train: FaceSet; held: FaceSet[] } {
  const order = shuffled(set.identities.keys(), seededRandom(`held out ${seed}`));
  const part = new Int32Array(order.length).fill(-1);
  let next = 0;
  shares.forEach((share, number) => {
    const end = Math.min(order.length, next + Math.round(share * order.length));
    for (; next < end; next++) part[order[next] as number] = number;
  });
  const images = new Int32Array(order.length);
  for (const label of set.labels) images[label] = (images[label] as number) + 1;
  const train = selectIdentities(set, (label) => part[label] === -1 && (images[label] as number) >= minimumImages);
  if (train.identities.length < 2) {
    const text = `${train.identities.length} identities with at least ${minimumImages} images are left to train, expected 2 or more.`;
    throw dataError('COSFACE_DATA', 'the images to train on', text);
  }
  return { train, held: shares.map((_, number) => selectIdentities(set, (label) => part[label] === number)) };
}
