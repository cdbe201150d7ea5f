import { join } from 'node:path';
import { describeExperiment } from '../../experiment/describe-experiment.js';
import { type ExperimentName, experiments, type OwnSettings, withMethods } from '../../experiment/experiment.js';
import { experimentPictures } from '../../experiment/experiment-pictures.js';
import { runSettings } from '../../experiment/experiment-settings.js';
import { countRuns, type ExperimentResult, runExperiment } from '../../experiment/run-experiment.js';
import { replaceFile } from '../../files/replace-file.js';
import { readSettingsGroup } from '../../train/read-settings.js';
import { checkSettings } from '../../train/train-settings.js';
import { useTrainingBackend } from '../../train/use-training-backend.js';
import { renderPng } from '../render-png.js';
import { onSignals, STOPPED } from '../stop-on-signals.js';
import { writeJson } from '../write-json.js';
import { createExperimentProgress } from './experiment-progress.js';

export interface ExperimentFlags {
  name: ExperimentName;
  images: string;
  out: string;
  seeds: number;
  steps: number;
  methods?: string | undefined;
  config?: string | undefined;
  json?: string;
}

/** Trains what is not trained yet, and writes results and pictures. */
export async function runExperimentCommand({ name, config, json, methods, ...flags }: ExperimentFlags): Promise<void> {
  const whole = experiments[name];
  const experiment =
    methods === undefined
      ? whole
      : withMethods(
          whole,
          methods.split(',').map((one) => one.trim()),
        );
  const base = config === undefined ? undefined : readSettingsGroup(config);
  const settings = runSettings({ ...flags, base }, experiment.methods[0]?.tries[0] as OwnSettings, 1);
  const note = await useTrainingBackend(checkSettings(settings, config ?? 'settings').backend);
  if (note !== undefined) console.error(note);
  const progress = createExperimentProgress(countRuns(experiment, flags.seeds), flags.steps);
  const interruption = new AbortController();
  const release = onSignals(() => interruption.abort());
  try {
    const options = { ...flags, base, experiment, onEvent: progress.hear, signal: interruption.signal };
    const result = await runExperiment(options);
    progress.stop();
    if (!result) {
      console.error('Stopped. The same command goes on.');
      process.exitCode = STOPPED;
      return;
    }
    const files = writeResults(flags.out, result, commandOf({ name, config, methods, ...flags }));
    if (json !== undefined) writeJson(json, result);
    if (json !== '-') console.log([files.text, ...files.names].join('\n'));
  } finally {
    progress.stop();
    release();
  }
}

function writeResults(out: string, result: ExperimentResult, command: string): { text: string; names: string[] } {
  const pictures = experimentPictures(result);
  const text = describeExperiment(
    result,
    pictures.map(({ name }) => `${name}.png`),
    command,
  );
  const files: Array<[name: string, content: string | Uint8Array]> = [
    [`${result.experiment}.md`, text],
    [`${result.experiment}.json`, `${JSON.stringify(result, null, 2)}\n`],
    ...pictures.flatMap(
      ({ name, svg }): Array<[string, string | Uint8Array]> => [
        [`${name}.svg`, svg],
        [`${name}.png`, renderPng(svg)],
      ],
    ),
  ];
  for (const [file, content] of files) replaceFile(join(out, file), content);
  return { text, names: files.map(([file]) => join(out, file)) };
}

function commandOf({ name, images, seeds, steps, methods, config }: Omit<ExperimentFlags, 'out' | 'json'>): string {
  const settings = config === undefined ? '' : ` --config ${config}`;
  const some = methods === undefined ? '' : ` --methods '${methods}'`;
  return `cosface experiment ${name} ${images} --seeds ${seeds} --steps ${steps}${some}${settings}`;
}
