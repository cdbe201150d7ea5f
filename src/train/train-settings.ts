import { z } from 'zod';
import type { BadFilePolicy } from '../data/bad-files.js';
import { checkAugmentation, type FaceAugmentation } from '../data/face-augmentation.js';
import { BACKBONES, type BackboneName } from '../models/backbone-names.js';
import type { FlipPooling, ModelInput } from '../models/model-description.js';
import { BACKENDS, type BackendName } from '../models/start-backend.js';
import { CosFaceError } from '../native/errors.js';
import { type HeadSettings, RESIDENT_LOSSES } from './head-settings.js';
import { LOSSES } from './loss-names.js';
import type { LossSettings } from './objective.js';
import type { Decay } from './schedule.js';

/** Everything that decides a training; the content of its `settings.json`. */
export interface TrainSettings {
  data: {
    /** A folder of identity folders, a list or a .rec file. */
    path: string;
    /** For a list: the folder that its paths are relative to. */
    root?: string | undefined;
    /** Identities with fewer images are not trained. */
    minimumImages: number;
    badFiles: BadFilePolicy;
    /** Of decoded images, kept in memory. */
    cacheMegabytes: number;
    /** That decode and augment; they change no bit. Left out: by the number of cores. */
    threads?: number | undefined;
  };
  input: ModelInput;
  augmentation: FaceAugmentation;
  model: {
    backbone: BackboneName;
    dim?: number | undefined;
    widths?: [number, number, number, number] | undefined;
    batchNorm?: boolean | undefined;
    embeddingBatchNorm?: boolean | undefined;
  };
  loss: LossSettings;
  head: HeadSettings;
  batch: {
    /** Images of a step. */
    size: number;
    /** Parts that a step's images are taken through the net in, one after the other. */
    accumulate: number;
    /** Images of one identity that come together; more than 1 for losses over pairs and triplets. */
    imagesPerIdentity: number;
  };
  optimizer: {
    /** The peak. */
    learningRate: number;
    momentum: number;
    weightDecay: number;
    /** The most that all gradients together may have as their length; null: any. */
    clip: number | null;
  };
  schedule: Decay & {
    /** Steps. */
    warmUp: number;
  };
  /** One of the two. */
  steps?: number | undefined;
  epochs?: number | undefined;
  verification: {
    /** Of the identities, held out of training. */
    share: number;
    /** Of the identities, held out and looked at once, at the end. */
    testShare: number;
    /** Other images in place of held-out ones: a folder, list, .rec, or InsightFace's .bin. */
    path?: string | undefined;
    /** Steps. */
    every: number;
    flip: FlipPooling;
    /** What `best` goes by. */
    metric: 'auc' | 'accuracy';
    /** Genuine pairs of one identity, at most. */
    pairsPerIdentity: number;
    /** That the model's threshold is chosen for. */
    falseAcceptRate: number;
    /** Decides who is held out and which pairs are made. Left out: `seed`, which decides the rest. */
    seed?: number | undefined;
  };
  checkpoint: {
    /** Steps. */
    every: number;
  };
  log: {
    /** Steps. */
    every: number;
  };
  earlyStop: {
    /** Evaluations without a new best, after which training ends; null: never. */
    patience: number | null;
  };
  backend: 'auto' | BackendName;
  seed: number;
}

/** What of the settings may be left out. */
export type TrainSettingsInput = DeepPartial<TrainSettings> & { data: { path: string } };
type DeepPartial<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;

const whole = (least: number, most = 1e9) => z.int().min(least).max(most);
const above = z.number().gt(0);
const share = z.number().min(0).max(0.9);
const part = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape).prefault({} as never);
const widths = z.tuple([whole(1, 65_536), whole(1, 65_536), whole(1, 65_536), whole(1, 65_536)]);
const warmUp = { warmUp: whole(0).default(0) };

const SETTINGS = z.strictObject({
  data: z.strictObject({
    path: z.string().min(1),
    root: z.string().optional(),
    minimumImages: whole(1).default(1),
    badFiles: z.enum(['skip', 'fail']).default('fail'),
    cacheMegabytes: z.number().min(0).max(1e6).default(512),
    threads: whole(0, 64).optional(),
  }),
  input: part({
    height: whole(16, 4096).default(112),
    width: whole(16, 4096).default(96),
    alignment: z.enum(['112x96', '112x112']).nullable().default('112x96'),
    normalisation: z.enum(['cosface', 'insightface']).default('cosface'),
  }),
  augmentation: z.looseObject({}).default({ flip: 0.5 }),
  model: part({
    backbone: z.enum(BACKBONES).default('sphereface20'),
    dim: whole(1, 65_536).optional(),
    widths: widths.optional(),
    batchNorm: z.boolean().optional(),
    embeddingBatchNorm: z.boolean().optional(),
  }),
  loss: z.looseObject({ name: z.enum(LOSSES).default('cosface') }).prefault({}),
  head: part({ resident: z.boolean().default(false), sampleRate: z.number().gt(0).max(1).default(1) }),
  batch: part({
    size: whole(1, 65_536).default(64),
    accumulate: whole(1, 65_536).default(1),
    imagesPerIdentity: whole(1, 65_536).default(1),
  }),
  optimizer: part({
    learningRate: above.max(1e3).default(0.1),
    momentum: z.number().min(0).lt(1).default(0.9),
    weightDecay: z.number().min(0).max(1).default(5e-4),
    clip: above.nullable().default(null),
  }),
  schedule: z.preprocess(
    withName('cosine'),
    z.discriminatedUnion('name', [
      z.strictObject({ name: z.literal('constant'), ...warmUp }),
      z.strictObject({ name: z.literal('cosine'), ...warmUp }),
      z.strictObject({
        name: z.literal('step'),
        milestones: z.array(whole(1)).min(1),
        factor: above.lt(1).default(0.1),
        ...warmUp,
      }),
      z.strictObject({ name: z.literal('polynomial'), power: above.max(10).default(1), ...warmUp }),
    ]),
  ),
  steps: whole(1).optional(),
  epochs: z.number().gt(0).max(1e6).optional(),
  verification: part({
    share: share.default(0.1),
    testShare: share.default(0),
    path: z.string().optional(),
    every: whole(1).default(500),
    flip: z.enum(['none', 'concatenate', 'add']).default('concatenate'),
    metric: z.enum(['auc', 'accuracy']).default('auc'),
    pairsPerIdentity: whole(1).default(20),
    falseAcceptRate: above.lte(1).default(1e-3),
    seed: z.int().min(0).optional(),
  }),
  checkpoint: part({ every: whole(1).default(500) }),
  log: part({ every: whole(1).default(20) }),
  earlyStop: part({ patience: whole(1).nullable().default(null) }),
  backend: z.enum(['auto', ...BACKENDS]).default('auto'),
  seed: z.int().min(0).default(1),
});

const EPOCHS = 20;

/** A group that is left out, or its name alone. */
function withName(name: string): (value: unknown) => unknown {
  return (value) => {
    if (value === undefined) return { name };
    return typeof value === 'object' && value !== null && !('name' in value) ? { name, ...value } : value;
  };
}

/**
 * Checks settings and fills in what is left out.
 *
 * @param place - what an error names: a file, or 'settings'.
 * @throws {CosFaceError} COSFACE_SETTINGS: what is wrong, each by its path.
 */
export function checkSettings(value: unknown, place: string): TrainSettings {
  const result = SETTINGS.safeParse(value);
  if (!result.success) {
    const issues = result.error.issues.map(({ path, message }) => `  ${path.join('.') || 'the whole'}: ${message}`);
    throw settingsError(
      place,
      `these settings are not as they should be:\n${issues.join('\n')}\ndocs/training.md has all.`,
    );
  }
  const settings = result.data as TrainSettings;
  checkAugmentation(settings.augmentation);
  const { batch, steps, epochs, verification, model } = settings;
  if (batch.size % batch.accumulate !== 0) {
    const text = `batch.size is ${batch.size}, expected a multiple of batch.accumulate, which is ${batch.accumulate}.`;
    throw settingsError(place, text);
  }
  if (steps !== undefined && epochs !== undefined)
    throw settingsError(place, 'both steps and epochs are given, expected one of them.');
  if (verification.share + verification.testShare > 0.9)
    throw settingsError(place, 'verification.share and testShare together are above 0.9: too few are left to train.');
  checkHead(settings, place);
  // Few identities gain by it: see docs/training.md.
  if (model.backbone.startsWith('sphereface')) model.embeddingBatchNorm ??= true;
  return steps === undefined && epochs === undefined ? { ...settings, epochs: EPOCHS } : settings;
}

/** What a resident head cannot do, which moves its centres as soon as their gradient is known. */
function checkHead({ head, loss, batch, optimizer }: TrainSettings, place: string): void {
  const refuse = (text: string) => settingsError(place, `${text} with head.resident.`);
  if (!head.resident) {
    if (head.sampleRate === 1) return;
    throw settingsError(place, `head.sampleRate is ${head.sampleRate}, expected 1 without head.resident.`);
  }
  const losses = Object.keys(RESIDENT_LOSSES);
  if (!losses.includes(loss.name)) throw refuse(`loss.name is ${loss.name}, expected one of ${losses.join(', ')}`);
  if (batch.accumulate > 1) throw refuse(`batch.accumulate is ${batch.accumulate}, expected 1`);
  if (optimizer.clip !== null) throw refuse(`optimizer.clip is ${optimizer.clip}, expected null`);
}

export function settingsError(place: string, text: string): CosFaceError {
  return new CosFaceError('COSFACE_SETTINGS', `${place}: ${text}`);
}
