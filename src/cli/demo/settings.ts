import type { WarpRange } from '../../data/digit-inputs.js';

/** Everything that `cosface demo` does by default, or with --quick. */
export interface DemoSettings {
  seed: number;
  quick: boolean;
  /** Which images are scored; see `splitDigits`. */
  score: 'test' | 'tune';
  batchSize: number;
  /** At most so many training images of a digit; undefined means all. */
  perDigit: number | undefined;
  figure: {
    learningRate: number;
    warp: WarpRange;
    unseen: number[];
    scale: number;
    margins: number[];
    /** Epochs that all panels share, and epochs of each panel's own. */
    sharedEpochs: number;
    ownEpochs: number;
  };
  verification: {
    learningRate: number;
    warp: WarpRange;
    dim: number;
    scale: number;
    margin: number;
    epochs: number;
    folds: number;
    /** Digits never seen in training, one pair for each round of training. */
    unseen: Array<[number, number]>;
  };
}

/**
 * The settings and why; how they were chosen is in docs/demo.md.
 *
 * Figure
 * - margins: the paper's. Its bound for 8 classes on a circle (eq. 7) is 1 - cos(pi / 4) = 0.29.
 * - scale: at least 7.7 for P = 0.999 without margin (eq. 6, which 8 classes cannot quite reach in a plane). On a
 *   circle neighbours are only 45 degrees apart, where 30 separates sharply; 16 leaves the classes wider.
 * - learningRate: twice what softmax needs, because the centres have to turn about the circle.
 *
 * Verification
 * - margin: the paper's.
 * - scale: 16 is enough for P = 0.999 with the margin; 30 did no better.
 * - dim: softmax leaves the dimensions that it has no use for as they started, a random projection, which helps any
 *   loss with strangers. Faces are the other way round, far fewer dimensions than classes; so few dimensions here.
 * - warp: strong enough that no pass shows an image as another pass did. Worth 5 points with strangers.
 * - unseen: each digit is a stranger in two of the ten rounds.
 */
const FULL: DemoSettings = {
  seed: 1,
  quick: false,
  score: 'test',
  batchSize: 128,
  perDigit: undefined,
  figure: {
    unseen: [8, 9],
    scale: 30,
    margins: [0, 0.1, 0.2],
    sharedEpochs: 6,
    ownEpochs: 12,
    learningRate: 6e-3,
    warp: { rotation: 0.2, scaling: 0.1, shear: 0.2, shift: 1.5 },
  },
  verification: {
    dim: 32,
    scale: 16,
    margin: 0.35,
    epochs: 6,
    learningRate: 2e-3,
    warp: { rotation: 0.35, scaling: 0.15, shear: 0.3, shift: 2.5 },
    folds: 10,
    unseen: [
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
      [8, 9],
      [0, 5],
      [1, 6],
      [2, 7],
      [3, 8],
      [4, 9],
    ],
  },
};

export interface SettingsOptions {
  seed: number;
  quick: boolean;
  /** Of each training, both figure and verification. */
  epochs?: number | undefined;
  tune: boolean;
}

/** The settings of one run. `quick` is for tests: it shows that everything works, and says nothing about the losses. */
export function demoSettings({ seed, quick, epochs, tune }: SettingsOptions): DemoSettings {
  const { figure, verification, ...common } = FULL;
  const rounds = quick ? verification.unseen.slice(0, 2) : verification.unseen;
  const length = epochs ?? (quick ? 2 : undefined);
  return {
    ...common,
    seed,
    quick,
    score: tune ? 'tune' : 'test',
    perDigit: quick ? 160 : undefined,
    figure: { ...figure, sharedEpochs: length ?? figure.sharedEpochs, ownEpochs: length ?? figure.ownEpochs },
    verification: {
      ...verification,
      epochs: length ?? verification.epochs,
      unseen: rounds,
    },
  };
}
