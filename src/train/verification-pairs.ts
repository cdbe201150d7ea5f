import type { Pairs } from '../evaluate/cosine-pairs.js';
import { type Random, seededRandom, shuffled } from './random.js';

export interface VerificationPairOptions {
  /** Genuine pairs of one identity, at most. */
  pairsPerIdentity: number;
  seed: number | string;
}

const FOLDS = 10;
/** For low false accept rates. As many impostor as genuine pairs have a fold, and with it a say in the accuracy. */
const IMPOSTORS_PER_GENUINE = 10;

/**
 * Pairs of labelled images, for verification: the genuine ones, and ten times as many impostor pairs. Identities are dealt
 * out to folds, and a pair's identities are of one fold, so that a fold's threshold comes from other people.
 *
 * @returns Pairs with fold -1 are impostors beyond the number of genuine pairs. None where no identity has two images, or
 * there is but one.
 */
export function verificationPairs(labels: Int32Array, { pairsPerIdentity, seed }: VerificationPairOptions): Pairs {
  const random = seededRandom(`pairs ${seed}`);
  const members = membersOf(labels);
  const people = shuffled(members.keys(), random);
  const folds = Math.max(1, Math.min(FOLDS, Math.floor(people.length / 4)));
  const pairs: Array<readonly [left: number, right: number, same: 0 | 1, fold: number]> = [];
  for (let fold = 0; fold < folds; fold++) {
    const ofFold = people.filter((_, place) => place % folds === fold);
    const genuine = ofFold.flatMap((label) => genuinePairs(members.get(label) as number[], pairsPerIdentity, random));
    for (const [left, right] of genuine) pairs.push([left, right, 1, fold]);
    const images = ofFold.flatMap((label) => members.get(label) as number[]);
    const impostors = impostorPairs(images, labels, { count: IMPOSTORS_PER_GENUINE * genuine.length, random });
    impostors.forEach(([left, right], place) => {
      pairs.push([left, right, 0, place < genuine.length ? fold : -1]);
    });
  }
  return {
    left: Int32Array.from(pairs, ([left]) => left),
    right: Int32Array.from(pairs, ([, right]) => right),
    same: Uint8Array.from(pairs, ([, , same]) => same),
    fold: Int32Array.from(pairs, ([, , , fold]) => fold),
  };
}

function membersOf(labels: Int32Array): Map<number, number[]> {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    const images = members.get(label);
    if (images) images.push(index);
    else members.set(label, [index]);
  });
  return members;
}

function genuinePairs(images: readonly number[], most: number, random: Random): [number, number][] {
  const all = images.flatMap((left, place) => images.slice(place + 1).map((right): [number, number] => [left, right]));
  return all.length <= most ? all : shuffled(all, random).slice(0, most);
}

/** Different pairs of different people, as many as asked for or as there are. */
function impostorPairs(
  images: readonly number[],
  labels: Int32Array,
  { count, random }: { count: number; random: Random },
): [number, number][] {
  const possible = impostorCount(images, labels);
  // Drawing ends soon only while most pairs are still free; else all are listed.
  if (2 * count >= possible) {
    const all = images.flatMap((left, place) =>
      images
        .slice(place + 1)
        .filter((right) => labels[left] !== labels[right])
        .map((right): [number, number] => [left, right]),
    );
    return shuffled(all, random).slice(0, count);
  }
  const drawn = new Map<string, [number, number]>();
  while (drawn.size < count) {
    const one = images[Math.floor(random() * images.length)] as number;
    const other = images[Math.floor(random() * images.length)] as number;
    if (labels[one] === labels[other]) continue;
    const pair: [number, number] = one < other ? [one, other] : [other, one];
    drawn.set(pair.join(), pair);
  }
  return [...drawn.values()];
}

function impostorCount(images: readonly number[], labels: Int32Array): number {
  const sizes = new Map<number, number>();
  for (const index of images) sizes.set(labels[index] as number, (sizes.get(labels[index] as number) ?? 0) + 1);
  const within = [...sizes.values()].reduce((sum, size) => sum + size * (size - 1), 0);
  return (images.length * (images.length - 1) - within) / 2;
}
