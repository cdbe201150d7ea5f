import { assignSetting, readSettingsGroup } from '../../train/read-settings.js';
import { runFolder, savedSettings } from '../../train/run-folder.js';
import type { SettingsGroup } from '../../train/settings-group.js';
import { checkSettings, settingsError, type TrainSettingsInput } from '../../train/train-settings.js';
import { Trainer, type TrainOutcome } from '../../train/trainer.js';
import { useTrainingBackend } from '../../train/use-training-backend.js';
import { onSignals, STOPPED } from '../stop-on-signals.js';
import { writeJson } from '../write-json.js';
import { createTrainProgress } from './train-progress.js';

export interface TrainFlags {
  images: string | undefined;
  out: string;
  config?: string;
  resume?: boolean;
  backbone?: string;
  loss?: string;
  steps?: number;
  epochs?: number;
  batch?: number;
  learningRate?: number;
  seed?: number;
  backend?: string;
  set: string[];
  json?: string;
}

/** Trains, and writes the figures where they are wanted. */
export async function runTrain({ out, resume = false, json, ...flags }: TrainFlags): Promise<void> {
  const settings = settingsOf({ out, resume, ...flags });
  const { backend } = checkSettings(settings, 'settings');
  const note = await useTrainingBackend(backend);
  if (note !== undefined) console.error(note);
  const progress = createTrainProgress();
  let trainer: Trainer | undefined;
  const interruption = new AbortController();
  const release = onSignals(() => interruption.abort());
  try {
    trainer = await Trainer.open({ settings, out, resume, onEvent: progress.hear });
    progress.start(trainer);
    const outcome = await trainer.run({ signal: interruption.signal });
    progress.stop();
    report(out, outcome, json);
  } finally {
    progress.stop();
    release();
    await trainer?.close();
  }
}

/** The saved settings of a run that goes on, or those of the file, and over either what the flags say. */
function settingsOf(flags: TrainFlags): TrainSettingsInput {
  const { config, resume, out } = flags;
  const saved = resume ? savedSettings(runFolder(out)) : undefined;
  const settings: SettingsGroup = { ...(config === undefined ? saved : readSettingsGroup(config)) };
  for (const assignment of assignments(flags)) assignSetting(settings, assignment);
  if (flags.steps !== undefined || flags.epochs !== undefined) {
    const other = flags.steps === undefined ? 'steps' : 'epochs';
    if (flags.steps === undefined || flags.epochs === undefined) delete settings[other];
  }
  if (settings['data'] === undefined)
    throw settingsError('settings', 'there are no images: name a folder, a list or a .rec file, or set data.path.');
  return settings as unknown as TrainSettingsInput;
}

/** JSON is YAML: quoted, no value can be read as something else. */
function assignments({ images, backbone, loss, steps, epochs, batch, learningRate, seed, backend, set }: TrainFlags) {
  const flags: Record<string, unknown> = {
    ...{ 'data.path': images, 'model.backbone': backbone, 'loss.name': loss, steps, epochs },
    ...{ 'batch.size': batch, 'optimizer.learningRate': learningRate, seed, backend },
  };
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  return [...given.map(([name, value]) => `${name}=${JSON.stringify(value)}`), ...set];
}

function report(out: string, { end, step, figures }: TrainOutcome, json: string | undefined): void {
  if (!figures) {
    console.error(`Stopped after step ${step}. Go on with: cosface train --out ${out} --resume`);
    process.exitCode = STOPPED;
    return;
  }
  if (json !== undefined) writeJson(json, figures);
  if (json === '-') return;
  const { verification, test, seconds, images, identities } = figures;
  const lines = [
    `${end === 'early' ? 'Ended early' : 'Done'} after ${step} steps in ${seconds.toFixed(0)} s: ${images} images of ${identities} people.`,
  ];
  for (const one of [verification, test]) {
    if (!one) continue;
    const accuracy = one.accuracy === null ? '' : `accuracy ${(100 * one.accuracy).toFixed(2)} %, `;
    lines.push(`${one.name}: ${accuracy}AUC ${one.auc.toFixed(4)}, EER ${(100 * one.eer).toFixed(2)} %`);
  }
  console.log([...lines, `${out}/report.html`, verification ? `${out}/best` : `${out}/last`].join('\n'));
}
