import { seededRandom, shuffled } from '../train/random.js';

/** Images and the class of each. */
export interface LabelledImages {
  images: Float32Array[];
  /** Class indices, [N]. */
  labels: Int32Array;
}

export interface DigitSplit {
  /** The digits that are trained; a class's label is its place in this list. */
  trained: number[];
  /** The digits that training never sees. */
  unseen: number[];
  train: LabelledImages;
  /** Other images of the trained digits. */
  heldOut: LabelledImages;
  /** Images of the unseen digits, labelled with the digits themselves. */
  strangers: LabelledImages;
}

export interface SplitOptions {
  unseen: readonly number[];
  /** Digits to leave out altogether. Default none. */
  leftOut?: readonly number[];
  /**
   * Which images are scored. `test` (default): those that figures are reported on. `tune`: those that settings are
   * chosen on; every digit keeps the two apart, whatever its role.
   */
  score?: 'test' | 'tune';
  /** At most so many training images of a digit. Default all. */
  perDigit?: number;
}

const TRAIN_SHARE = 0.7;
const TUNE_SHARE = 0.15;

/**
 * Identity-disjoint split of the digits: of each digit 70 % of the images train, 15 % tune and 15 % test, always the
 * same ones, so that a run with another seed is scored on the same images and nothing leaks from tuning into the
 * reported figures.
 */
export function splitDigits(digits: readonly Float32Array[][], options: SplitOptions): DigitSplit {
  const { unseen, leftOut = [], score = 'test', perDigit = Number.POSITIVE_INFINITY } = options;
  const trained = digits
    .map((_, digit) => digit)
    .filter((digit) => !unseen.includes(digit) && !leftOut.includes(digit));
  const parts = digits.map((images, digit) => partsOf(images, digit));
  const pick = (
    from: readonly number[],
    part: 'train' | 'tune' | 'test',
    label: (digit: number, i: number) => number,
  ) =>
    labelled(
      from.map((digit, i) => [
        parts[digit]?.[part].slice(0, part === 'train' ? perDigit : undefined) ?? [],
        label(digit, i),
      ]),
    );
  return {
    trained,
    unseen: [...unseen],
    train: pick(trained, 'train', (_, i) => i),
    heldOut: pick(trained, score, (_, i) => i),
    strangers: pick(unseen, score, (digit) => digit),
  };
}

function partsOf(images: readonly Float32Array[], digit: number): Record<'train' | 'tune' | 'test', Float32Array[]> {
  const mixed = shuffled(images, seededRandom(`digit ${digit}`));
  const tuneFrom = Math.floor(TRAIN_SHARE * mixed.length);
  const testFrom = Math.floor((TRAIN_SHARE + TUNE_SHARE) * mixed.length);
  return { train: mixed.slice(0, tuneFrom), tune: mixed.slice(tuneFrom, testFrom), test: mixed.slice(testFrom) };
}

function labelled(groups: ReadonlyArray<readonly [images: Float32Array[], label: number]>): LabelledImages {
  return {
    images: groups.flatMap(([images]) => images),
    labels: Int32Array.from(groups.flatMap(([images, label]) => images.map(() => label))),
  };
}
