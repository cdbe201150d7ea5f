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

/** Two settings of a loss, each with two learning rates: what suits one loss is too slow for another. */
function method(name: string, own: readonly OwnSettings[]): Method {
  const tries = own.flatMap((settings) =>
    [0.1, 0.2].map((learningRate) => ({ ...settings, optimizer: { learningRate } })),
  );
  return { name, tries };
}

const lossBy = (name: string, values: readonly number[], setting = 'margin'): OwnSettings[] =>
  values.map((value) => ({ loss: { name, [setting]: value } }) as OwnSettings);

/** Has nothing to choose but the rate, so as many of these as others have settings. */
const softmax: Method = {
  name: 'softmax',
  tries: [0.05, 0.1, 0.2, 0.4].map((learningRate) => ({ loss: { name: 'softmax' }, optimizer: { learningRate } })),
};
const margins = [0.2, 0.35];
const aSoftmax = lossBy('a-softmax', [2, 3]);

/** Every experiment but the toy, which trains on digits: the paper's Figure 5, table 1 and table 2. */
export const experiments: Readonly<Record<ExperimentName, Experiment>> = {
  margin: {
    name: 'margin',
    title: 'LMCL by margin (figure 5)',
    methods: [0, 0.1, 0.2, 0.35, 0.5, 0.65].map((margin) => ({
      name: `m = ${margin}`,
      tries: lossBy('cosface', [margin]),
    })),
    against: 'm = 0',
  },
  normalisation: {
    name: 'normalisation',
    title: 'With and without feature normalisation (table 1)',
    methods: [
      method('LMCL, features normalised', lossBy('cosface', margins)),
      method(
        'LMCL, features as they are',
        margins.map((margin) => ({ loss: { name: 'cosface', margin, scale: 1, normalizeEmbeddings: false } })),
      ),
      method('SphereFace, features normalised', lossBy('sphereface', [1.35, 2])),
      method('A-Softmax, features as they are', aSoftmax),
    ],
    against: 'LMCL, features as they are',
  },
  losses: {
    name: 'losses',
    title: 'The losses (table 2)',
    methods: [
      softmax,
      method(
        'softmax + contrastive',
        lossBy('contrastive', [0.1, 0.3], 'weight').map((own) => ({ ...own, batch: { imagesPerIdentity: 2 } })),
      ),
      method(
        'triplet',
        lossBy('triplet', [0.1, 0.2]).map((own) => ({ ...own, batch: { imagesPerIdentity: 4 } })),
      ),
      method('L-Softmax', lossBy('l-softmax', [3, 4])),
      method('softmax + center', lossBy('center', [0.003, 0.01], 'weight')),
      method('A-Softmax', aSoftmax),
      // The least scale for some 500 people is 15.5.
      method('NormFace (NSL)', lossBy('normface', [15.5, 24], 'scale')),
      method('ArcFace', lossBy('arcface', margins)),
      method('LMCL (CosFace)', lossBy('cosface', margins)),
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
