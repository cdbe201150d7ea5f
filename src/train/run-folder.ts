import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../data/data-error.js';
import { replaceFile } from '../files/replace-file.js';
import { isSettingsGroup, type SettingsGroup } from './settings-group.js';
import { settingsError, type TrainSettings } from './train-settings.js';

/** The files of a run. */
export interface RunFolder {
  folder: string;
  settings: string;
  checkpoint: string;
  metrics: string;
  /** Model folders. */
  best: string;
  last: string;
  figures: string;
  report: string;
}

export function runFolder(folder: string): RunFolder {
  const file = (name: string) => join(folder, name);
  return {
    ...{ folder, settings: file('settings.json'), checkpoint: file('last.ckpt'), metrics: file('metrics.jsonl') },
    ...{ best: file('best'), last: file('last'), figures: file('figures.json'), report: file('report.html') },
  };
}

/** The settings that a run was started with; `undefined` where there is no run. Not checked. */
export function savedSettings(run: RunFolder): SettingsGroup | undefined {
  if (!existsSync(run.settings)) return undefined;
  const refusal = (fault: string) => settingsError(run.settings, `${fault}. Delete the folder and start anew.`);
  let settings: unknown;
  try {
    settings = JSON.parse(readFileSync(run.settings, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code) throw fileError(run.settings, cause);
    throw refusal(`no JSON: ${(cause as Error).message}`);
  }
  if (isSettingsGroup(settings)) return settings;
  throw refusal('it holds no group of settings');
}

export function writeSettings(run: RunFolder, settings: TrainSettings): void {
  replaceFile(run.settings, `${JSON.stringify(settings, null, 2)}\n`, { durable: true });
}

/** What may be changed when a run goes on: nothing that the steps done so far depend on. */
const CHANGEABLE: readonly string[] = [
  ...['steps', 'epochs', 'optimizer', 'schedule', 'checkpoint', 'log', 'earlyStop', 'backend'],
  ...['data.threads', 'data.cacheMegabytes', 'data.path', 'data.root', 'verification.every', 'verification.metric'],
];

/**
 * Refuses to go on with settings under which the run could not have come so far.
 *
 * @throws {CosFaceError} COSFACE_SETTINGS that names them.
 */
export function requireResumable(saved: TrainSettings, asked: TrainSettings, place: string): void {
  const different = [...differences(saved, asked, '')].filter(
    (path) => !CHANGEABLE.some((free) => path === free || path.startsWith(`${free}.`)),
  );
  if (different.length === 0) return;
  const text =
    `${different.join(', ')} differ from those that this run was started with, in settings.json. Leave them out, or ` +
    `start another run. These may change: ${CHANGEABLE.join(', ')}.`;
  throw settingsError(place, text);
}

function* differences(one: unknown, other: unknown, path: string): Generator<string> {
  if (JSON.stringify(one) === JSON.stringify(other)) return;
  if (!isSettingsGroup(one) || !isSettingsGroup(other)) return yield path;
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)]))
    yield* differences(one[key], other[key], path === '' ? key : `${path}.${key}`);
}
