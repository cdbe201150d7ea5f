import { CosFaceError, spell } from '../native/errors.js';
import type { TrainSettingsInput } from '../train/train-settings.js';

/** What of the settings a method has of its own. */
export type OwnSettings = Pick<TrainSettingsInput, 'loss' | 'optimizer' | 'batch'>;

/** A row of an experiment. */
export interface Method {
  name: string;
  /** Settings of its own to choose among, on the people to choose on. One: nothing is chosen. */
  tries: readonly OwnSettings[];
}

export const EXPERIMENTS = ['margin', 'normalisation', 'losses'] as const;
export type ExperimentName = (typeof EXPERIMENTS)[number];

export interface Experiment {
  name: ExperimentName;
  title: string;
  methods: readonly Method[];
  /** The method that the others are held against, pair by pair of equal seeds. */
  against: string;
}

const cosface = (margin: number): OwnSettings => ({ loss: { name: 'cosface', margin } });
const rates = [0.05, 0.1, 0.2];
const softmax: Method = {
  name: 'softmax',
  tries: rates.map((learningRate) => ({ loss: { name: 'softmax' }, optimizer: { learningRate } })),
};
const lmcl: Method = { name: 'LMCL (CosFace)', tries: [0.2, 0.35, 0.5].map(cosface) };
const aSoftmax: Method = {
  name: 'A-Softmax',
  tries: [2, 3, 4].map((m) => ({ loss: { name: 'a-softmax', margin: m } })),
};
const normFace: Method = {
  name: 'NormFace (NSL)',
  // The least scale for some 500 people is 15.5.
  tries: [15.5, 24, 32].map((scale) => ({ loss: { name: 'normface', scale } })),
};

/** Every experiment but the toy, which trains on digits: the paper's Figure 5, table 1 and table 2. */
export const experiments: Readonly<Record<ExperimentName, Experiment>> = {
  margin: {
    name: 'margin',
    title: 'LMCL by margin (figure 5)',
    methods: [0, 0.1, 0.2, 0.35, 0.5, 0.65].map((margin) => ({ name: `m = ${margin}`, tries: [cosface(margin)] })),
    against: 'm = 0',
  },
  normalisation: {
    name: 'normalisation',
    title: 'With and without feature normalisation (table 1)',
    methods: [
      { name: 'LMCL, features normalised', tries: lmcl.tries },
      {
        name: 'LMCL, features as they are',
        tries: [0.2, 0.35, 0.5].map((margin) => ({
          loss: { name: 'cosface', margin, scale: 1, normalizeEmbeddings: false },
        })),
      },
      {
        name: 'SphereFace, features normalised',
        tries: [1.35, 2, 4].map((m1) => ({ loss: { name: 'sphereface', margin: m1 } })),
      },
      { name: 'A-Softmax, features as they are', tries: aSoftmax.tries },
    ],
    against: 'LMCL, features as they are',
  },
  losses: {
    name: 'losses',
    title: 'The losses (table 2)',
    methods: [
      softmax,
      {
        name: 'softmax + contrastive',
        tries: [0.1, 0.3, 1].map((weight) => ({
          loss: { name: 'contrastive', weight },
          batch: { imagesPerIdentity: 2 },
        })),
      },
      {
        name: 'triplet',
        tries: [0.2, 0.3, 0.5].map((margin) => ({
          loss: { name: 'triplet', margin },
          batch: { imagesPerIdentity: 4 },
        })),
      },
      { name: 'L-Softmax', tries: [2, 3, 4].map((m) => ({ loss: { name: 'l-softmax', margin: m } })) },
      {
        name: 'softmax + center',
        tries: [0.001, 0.003, 0.01].map((weight) => ({ loss: { name: 'center', weight } })),
      },
      aSoftmax,
      normFace,
      { name: 'ArcFace', tries: [0.2, 0.35, 0.5].map((margin) => ({ loss: { name: 'arcface', margin } })) },
      lmcl,
    ],
    against: 'softmax',
  },
};

/**
 * The same experiment with some of its methods; the one that the others are held against must be among them.
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a name that is none.
 */
export function withMethods(experiment: Experiment, names: readonly string[]): Experiment {
  const known = experiment.methods.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  const wrong = unknown[0] ?? (names.includes(experiment.against) ? undefined : names.join(', '));
  if (wrong === undefined)
    return { ...experiment, methods: experiment.methods.filter(({ name }) => names.includes(name)) };
  throw new CosFaceError(
    'COSFACE_OPTION_RANGE',
    `methods is ${spell(wrong)}, expected names among ${known.join(', ')}, and ${experiment.against} with them.`,
    { argument: 'methods' },
  );
}
