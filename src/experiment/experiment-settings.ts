import { createHash } from 'node:crypto';
import { isSettingsGroup, type SettingsGroup } from '../train/settings-group.js';
import type { TrainSettings, TrainSettingsInput } from '../train/train-settings.js';
import type { OwnSettings } from './experiment.js';

/** What all runs of an experiment have in common. */
export interface CommonSettings {
  /** Images in identity folders, a list or a .rec file. */
  images: string;
  /** Of each run. */
  steps: number;
  /** Settings that go before those below; docs/training.md has all. */
  base?: Record<string, unknown> | undefined;
}

/**
 * A small net on small images, which learns some hundred people in a minute; those of docs/results.md. The people to
 * choose on, those to test on and all pairs of them are the same in every run, whatever its seed.
 */
const SMALL = {
  data: { minimumImages: 3 },
  input: { height: 56, width: 48 },
  augmentation: {
    ...{ flip: 0.5, shift: 0.05, zoom: 0.08, rotation: 0.12, brightness: 0.2, contrast: 0.2, saturation: 0.2 },
  },
  model: { backbone: 'sphereface4', widths: [16, 32, 64, 128], dim: 128, batchNorm: true },
  batch: { size: 128 },
  optimizer: { learningRate: 0.1 },
  schedule: { name: 'cosine' },
  verification: { share: 0.1, testShare: 0.2, seed: 1 },
} as const;

/** The settings of one run. Only what `own` and the seed say differs between the runs of an experiment. */
export function runSettings(
  { images, steps, base }: CommonSettings,
  own: OwnSettings,
  seed: number,
): TrainSettingsInput {
  const common = merge(SMALL, base ?? {});
  const length = { steps, seed, checkpoint: { every: 100 }, log: { every: 50 } };
  // Looked at once, at the end: no step is chosen.
  const last = { verification: { every: steps } };
  return [{ data: { path: images } }, length, last, own].reduce(merge, common) as TrainSettingsInput;
}

/** Names the folder of a run: the same settings, the same folder, whichever experiment asks. */
export function runKey(settings: TrainSettings): string {
  const { data, checkpoint, log, backend, ...decisive } = settings;
  const { path, threads, cacheMegabytes, ...rest } = data;
  const hash = createHash('sha256')
    .update(JSON.stringify([decisive, rest]))
    .digest('hex');
  return `${settings.loss.name}-seed${settings.seed}-${hash.slice(0, 10)}`;
}

function merge(one: object, other: object): SettingsGroup {
  const merged: SettingsGroup = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = merged[key];
    merged[key] = isSettingsGroup(before) && isSettingsGroup(value) ? merge(before, value) : value;
  }
  return merged;
}
