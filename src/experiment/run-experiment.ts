import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runFolder } from '../train/run-folder.js';
import { checkSettings } from '../train/train-settings.js';
import { type TrainEvent, Trainer } from '../train/trainer.js';
import type { VerificationFigures } from '../train/verification.js';
import type { RunFigures } from '../train/write-report.js';
import type { Experiment, Method, OwnSettings } from './experiment.js';
import { type CommonSettings, runKey, runSettings } from './experiment-settings.js';

export interface ExperimentOptions extends CommonSettings {
  experiment: Experiment;
  /** How often the chosen settings are trained, from seed 1 on. */
  seeds: number;
  /** The folder of all runs. What is there already is not trained again. */
  out: string;
  onEvent?: ((event: ExperimentEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export type ExperimentEvent =
  | { kind: 'run'; method: string; purpose: 'try' | 'seed'; number: number; of: number }
  | { kind: 'chosen'; method: string; own: OwnSettings }
  | TrainEvent;

/** The figures of one model on one set of people. */
export interface SetFigures {
  /** Balanced pairs; thresholds from other folds. */
  accuracy: number | null;
  auc: number;
  eer: number;
  /** TAR at FAR 0.01. */
  tar: number;
}

export interface MethodResult {
  name: string;
  /** What was tried, by its AUC on the people to choose on. */
  tries: Array<{ own: OwnSettings; validation: SetFigures }>;
  chosen: OwnSettings;
  /** Of the chosen settings, on people that no choice has seen. */
  runs: Array<{ seed: number; validation: SetFigures; test: SetFigures; seconds: number }>;
}

export interface ExperimentResult {
  experiment: Experiment['name'];
  title: string;
  against: string;
  steps: number;
  images: number;
  identities: number;
  /** The sets, in words. */
  sets: { validation: string; test: string };
  methods: MethodResult[];
}

/**
 * Trains every method of an experiment: each of its tries once, then the try that did best on the people to choose on,
 * with each seed, and only then looks at the people held out until the end. Every run is a run of `Trainer` in a folder
 * of its own: killed at any moment, the same call goes on.
 *
 * @returns The results, or `undefined` where the signal was raised.
 * @throws {CosFaceError} What `Trainer` throws.
 */
export async function runExperiment(options: ExperimentOptions): Promise<ExperimentResult | undefined> {
  const { experiment, steps } = options;
  const methods: MethodResult[] = [];
  let last: RunFigures | undefined;
  for (const method of experiment.methods) {
    const done = await runMethod(options, method);
    if (!done) return undefined;
    methods.push(done.result);
    last = done.figures;
  }
  const { images, identities, verification, test } = last as RunFigures;
  return {
    ...{ experiment: experiment.name, title: experiment.title, against: experiment.against, steps, images, identities },
    sets: { validation: describe(verification as VerificationFigures), test: describe(test as VerificationFigures) },
    methods,
  };
}

/** How many runs an experiment has; the first seed of the chosen try has been trained as a try. */
export function countRuns({ methods }: Experiment, seeds: number): number {
  return methods.reduce((sum, { tries }) => sum + tries.length + seeds - 1, 0);
}

async function runMethod(options: ExperimentOptions, method: Method) {
  const { onEvent = () => {}, seeds } = options;
  const tries: MethodResult['tries'] = [];
  for (const [index, own] of method.tries.entries()) {
    onEvent({ kind: 'run', method: method.name, purpose: 'try', number: index + 1, of: method.tries.length });
    const figures = await runOnce(options, { own, seed: 1, test: false });
    if (!figures) return undefined;
    tries.push({ own, validation: setFigures(figures.verification) });
  }
  const { own: chosen } = tries.reduce((best, one) => (one.validation.auc > best.validation.auc ? one : best));
  onEvent({ kind: 'chosen', method: method.name, own: chosen });
  const runs: MethodResult['runs'] = [];
  let figures: RunFigures | undefined;
  for (let seed = 1; seed <= seeds; seed++) {
    onEvent({ kind: 'run', method: method.name, purpose: 'seed', number: seed, of: seeds });
    figures = await runOnce(options, { own: chosen, seed, test: true });
    if (!figures) return undefined;
    const { verification, test, seconds } = figures;
    runs.push({ seed, validation: setFigures(verification), test: setFigures(test), seconds });
  }
  return { result: { name: method.name, tries, chosen, runs }, figures: figures as RunFigures };
}

interface Run {
  own: OwnSettings;
  seed: number;
  test: boolean;
}

/** Trains unless that is done; a finished try whose test is wanted is opened once more, and trained no further. */
async function runOnce(
  { out, onEvent, signal, ...common }: ExperimentOptions,
  { own, seed, test }: Run,
): Promise<RunFigures | undefined> {
  const settings = runSettings(common, own, seed);
  const folder = join(out, runKey(checkSettings(settings, 'settings')));
  const run = runFolder(folder);
  const before = finishedFigures(run.figures);
  if (before && (before.test || !test)) return before;
  const resume = existsSync(run.settings);
  const trainer = await Trainer.open({ settings, out: folder, resume, test, onEvent });
  try {
    const { figures } = await trainer.run({ ...(signal && { signal }) });
    return figures;
  } finally {
    await trainer.close();
  }
}

function finishedFigures(file: string): RunFigures | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as RunFigures) : undefined;
}

function setFigures(figures: VerificationFigures | null): SetFigures {
  const { accuracy, auc, eer, tarAtFar } = figures as VerificationFigures;
  return { accuracy, auc, eer, tar: tarAtFar.find(({ far }) => far === 0.01)?.tar as number };
}

function describe({ name, genuine, impostor }: VerificationFigures): string {
  const count = (value: number) => value.toLocaleString('en-US');
  return `${name}, ${count(genuine)} genuine and ${count(impostor)} impostor pairs`;
}
