import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { dispose, getBackend } from '@tensorflow/tfjs-core';
import { BadFiles } from '../data/bad-files.js';
import { ImageCache } from '../data/image-cache.js';
import { replaceFile } from '../files/replace-file.js';
import type { ModelDescription, ModelThreshold } from '../models/model-description.js';
import { type FaceModel, loadModelFolder, saveModelFolder } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';
import { checkpointError, previousOf, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { checkLoss } from './objective.js';
import { type RunFolder, requireResumable, runFolder, savedSettings, writeSettings } from './run-folder.js';
import { type LogLengths, RunLog } from './run-log.js';
import { learningRates, type Schedule } from './schedule.js';
import { gradientNorm } from './sgd.js';
import { checkSettings, settingsError, type TrainSettings, type TrainSettingsInput } from './train-settings.js';
import { DATA_START, type DataPosition, type TrainingBatch, trainingBatches } from './training-batches.js';
import { openTrainingData, type TrainingData } from './training-data.js';
import { TrainingNet } from './training-net.js';
import { type Verification, type VerificationData, type VerificationFigures, verify } from './verification.js';
import { type RunFigures, writeReport } from './write-report.js';

export interface TrainerOptions {
  /** May be left out to resume. */
  settings?: TrainSettingsInput | undefined;
  /** The run's folder. */
  out: string;
  /** Goes on from the run's last checkpoint, or starts where there is none yet. Default false. */
  resume?: boolean | undefined;
  /** `false` leaves the people alone that are held out until the end: for a choice among runs. Default true. */
  test?: boolean | undefined;
  /** Hears of every step and of what else happens. */
  onEvent?: ((event: TrainEvent) => void) | undefined;
}

export type TrainEvent =
  | { kind: 'note'; text: string }
  | { kind: 'step'; step: number; steps: number; loss: number; accuracy: number | null; images: number }
  | { kind: 'verification'; step: number; figures: VerificationFigures; best: boolean }
  | { kind: 'checkpoint'; step: number };

export interface TrainOutcome {
  /** `stopped`: by the signal; `resume` goes on. */
  end: 'finished' | 'early' | 'stopped';
  step: number;
  /** `undefined` where the run was stopped. */
  figures: RunFigures | undefined;
}

/** What is carried from step to step beside the tensors; plain data. */
interface Progress {
  /** Steps done. */
  step: number;
  position: DataPosition;
  /** Since the last line of metrics. */
  interval: { loss: number; norm: number; steps: number };
  best: { step: number; value: number; threshold: ModelThreshold | null } | null;
  /** Of the last verification. */
  threshold: ModelThreshold | null;
  /** Verifications since the best one. */
  withoutBest: number;
  seconds: number;
}

/** A checkpoint's plain data. */
interface SavedProgress extends Progress {
  state: Record<string, number>;
  logs: LogLengths;
  fingerprint: string;
}

const START: Progress = {
  ...{ step: 0, position: DATA_START, interval: { loss: 0, norm: 0, steps: 0 } },
  ...{ best: null, threshold: null, withoutBest: 0, seconds: 0 },
};

/**
 * A training, from images to a model folder. Killed at any moment it can be resumed, and then ends with the same bits as
 * an unbroken one on the same machine: order of the images, augmentation, optimiser, head and schedule go on where the last
 * checkpoint was written.
 *
 * The backend of TensorFlow.js is the caller's choice (`useTrainingBackend`).
 *
 * @example
 * const trainer = await Trainer.open({ settings: { data: { path: 'aligned' }, epochs: 20 }, out: 'runs/mine' });
 * const { figures } = await trainer.run();
 * await trainer.close();
 */
export class Trainer {
  readonly settings: TrainSettings;
  readonly #run: RunFolder;
  readonly #data: TrainingData;
  readonly #net: TrainingNet;
  readonly #log: RunLog;
  readonly #progress: Progress;
  readonly #emit: (event: TrainEvent) => void;
  readonly #tests: boolean;
  readonly #badFiles: BadFiles;
  readonly #badHeldOut: BadFiles;
  readonly #caches = { train: new ImageCache(0), verification: new ImageCache(0) };
  readonly #rate: Schedule;
  readonly #steps: number;

  private constructor(opened: Opened) {
    const { settings, run, data, net, log, progress, emit, tests } = opened;
    this.settings = settings;
    this.#run = run;
    this.#data = data;
    this.#net = net;
    this.#log = log;
    this.#progress = progress;
    this.#emit = emit;
    this.#tests = tests;
    const { badFiles } = settings.data;
    // Without a batch of good ones training would look for the next for ever.
    this.#badFiles = new BadFiles(badFiles, data.train.size - settings.batch.size);
    this.#badHeldOut = new BadFiles(badFiles);
    const bytes = settings.data.cacheMegabytes * 2 ** 20;
    this.#caches = { train: new ImageCache(bytes), verification: new ImageCache(bytes / 4) };
    this.#steps = stepsOf(settings, data.train.size);
    const { learningRate: peak } = settings.optimizer;
    const { warmUp, ...decay } = settings.schedule;
    this.#rate = learningRates({ peak, steps: this.#steps, warmUp, decay });
  }

  /**
   * Opens the images, builds or restores the net, and writes the settings beside what is to come.
   *
   * @throws {CosFaceError} COSFACE_SETTINGS, COSFACE_OPTION_RANGE, COSFACE_CHECKPOINT, COSFACE_OUTPUT, or what opening the
   * images throws.
   */
  static async open({
    settings: given,
    out,
    resume = false,
    test: tests = true,
    onEvent = () => {},
  }: TrainerOptions): Promise<Trainer> {
    const run = runFolder(out);
    const settings = settingsOf(run, given, resume);
    checkLoss(settings.loss, settings.head);
    const data = await openTrainingData(settings);
    for (const text of data.notes) onEvent({ kind: 'note', text });
    const net = new TrainingNet(settings, data.train.identities.length);
    try {
      const saved = resume ? await restore(run, net, { data, onEvent }) : undefined;
      writeSettings(run, settings);
      const log = new RunLog(run, saved?.logs);
      const progress: Progress = structuredClone(saved ?? START);
      return new Trainer({ settings, run, data, net, log, progress, emit: onEvent, tests });
    } catch (error) {
      net.dispose();
      await data.close();
      throw error;
    }
  }

  /** Steps that the whole run has. */
  get steps(): number {
    return this.#steps;
  }

  /** Steps that are done. */
  get step(): number {
    return this.#progress.step;
  }

  get parameters(): number {
    return this.#net.size;
  }

  get images(): { train: number; identities: number } {
    return { train: this.#data.train.size, identities: this.#data.train.identities.length };
  }

  /**
   * Trains to the end, or until `signal` is raised; then a checkpoint is written after the step that is under way.
   *
   * @throws {CosFaceError} COSFACE_NOT_FINITE that names the step, before its update: the weights are still good.
   */
  async run({ signal }: { signal?: AbortSignal } = {}): Promise<TrainOutcome> {
    const { batch, verification, checkpoint, earlyStop } = this.settings;
    const progress = this.#progress;
    const batches = this.#batches();
    const patience = earlyStop.patience ?? Number.POSITIVE_INFINITY;
    const clock = { since: performance.now(), before: progress.seconds };
    const interval = { since: performance.now(), steps: 0 };
    try {
      while (progress.step < this.#steps && progress.withoutBest < patience) {
        if (signal?.aborted) return await this.#stop();
        const parts = await take(batches, batch.accumulate);
        await this.#stepOn(parts);
        progress.seconds = clock.before + (performance.now() - clock.since) / 1000;
        interval.steps++;
        if (this.#due(this.settings.log.every)) {
          await this.#logInterval(parts, (interval.steps * batch.size * 1000) / (performance.now() - interval.since));
          Object.assign(interval, { since: performance.now(), steps: 0 });
        }
        if (this.#data.verification && this.#due(verification.every)) {
          await this.#verifyNow(this.#data.verification);
          Object.assign(interval, { since: performance.now(), steps: 0 });
        }
        if (this.#due(checkpoint.every)) await this.#save();
        await setImmediate();
      }
    } finally {
      await batches.return(undefined);
    }
    await this.#save();
    return { ...(await this.#finish()), step: progress.step };
  }

  async close(): Promise<void> {
    this.#log.close();
    this.#net.dispose();
    await this.#data.close();
  }

  /** Whether something that is done every so many steps is due; the last step is always due. */
  #due(every: number): boolean {
    const { step } = this.#progress;
    return step % every === 0 || step === this.#steps;
  }

  #batches(): AsyncGenerator<TrainingBatch> {
    const { input, batch, augmentation, data, seed } = this.settings;
    return trainingBatches(this.#data.train, {
      ...{ width: input.width, height: input.height, normalisation: input.normalisation, augmentation, seed },
      ...{ batchSize: batch.size / batch.accumulate, imagesPerIdentity: batch.imagesPerIdentity },
      ...{ from: this.#progress.position, badFiles: this.#badFiles, cache: this.#caches.train },
      prefetch: 2 * batch.accumulate,
      ...(data.threads !== undefined && { threads: data.threads }),
    });
  }

  async #stepOn(parts: readonly TrainingBatch[]): Promise<void> {
    const { clip } = this.settings.optimizer;
    const progress = this.#progress;
    const rate = this.#rate(progress.step);
    const { loss, gradients } = await this.#net.gradients(parts, { step: progress.step, rate }).catch((error) => {
      throw this.#named(error, parts);
    });
    try {
      const norm = await gradientNorm(gradients);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) throw this.#notFinite({ loss, norm }, parts);
      const factor = clip === null || norm <= clip ? 1 : clip / norm;
      this.#net.update(gradients, { rate, factor });
      progress.interval.loss += loss;
      progress.interval.norm += norm;
    } finally {
      dispose(gradients);
    }
    progress.interval.steps++;
    progress.step++;
    progress.position = (parts.at(-1) as TrainingBatch).position;
    const { size } = this.settings.batch;
    this.#emit({ kind: 'step', step: progress.step, steps: this.#steps, loss, accuracy: null, images: size });
  }

  /** A loss's own refusal, with the step in front. */
  #named(error: unknown, parts: readonly TrainingBatch[]): unknown {
    if (!(error instanceof CosFaceError)) return error;
    const text = error.message.slice(error.code.length + 2);
    return new CosFaceError(error.code, `${this.#where(parts)}: ${text} ${ADVICE}`, { cause: error });
  }

  #notFinite({ loss, norm }: { loss: number; norm: number }, parts: readonly TrainingBatch[]): CosFaceError {
    const text = `${this.#where(parts)}: the loss is ${loss}, the length of its gradient ${norm}, expected finite numbers. ${ADVICE}`;
    return new CosFaceError('COSFACE_NOT_FINITE', text);
  }

  #where(parts: readonly TrainingBatch[]): string {
    const { step } = this.#progress;
    const epoch = (step * this.settings.batch.size) / this.#data.train.size;
    const first = this.#data.train.nameOf(parts[0]?.indices[0] as number);
    return `step ${step + 1} of ${this.#steps} (epoch ${epoch.toFixed(2)}, learning rate ${this.#rate(step)}, first image ${first})`;
  }

  async #logInterval(parts: readonly TrainingBatch[], imagesPerSecond: number): Promise<void> {
    const { step, interval, seconds } = this.#progress;
    const fit = await this.#net.fit(parts.at(-1) as TrainingBatch).catch(whereNotFinite);
    this.#log.write({
      ...{ kind: 'train', step, epoch: (step * this.settings.batch.size) / this.#data.train.size },
      ...{ loss: interval.loss / interval.steps, gradientNorm: interval.norm / interval.steps },
      ...{ accuracy: fit?.accuracy ?? null, targetCosine: fit?.targetCosine ?? null },
      ...{ learningRate: this.#rate(step - 1), imagesPerSecond, seconds },
    });
    this.#progress.interval = { loss: 0, norm: 0, steps: 0 };
  }

  async #verifyNow(data: VerificationData): Promise<void> {
    const { metric } = this.settings.verification;
    const progress = this.#progress;
    const { figures } = await this.#verify(this.#faceModel(null), data);
    const { auc, accuracy, eer } = figures;
    progress.threshold = figures.threshold;
    const tar = Object.fromEntries(figures.tarAtFar.map((at) => [`tarAtFar${at.far}`, at.tar]));
    this.#log.write({
      ...{ kind: 'verification', step: progress.step, auc, accuracy, eer, ...tar },
      ...{ threshold: figures.threshold?.cosine ?? null, seconds: progress.seconds },
    });
    // Too few people for folds have no accuracy; the area is there in any case.
    const value = (metric === 'accuracy' ? accuracy : auc) ?? auc;
    const best = progress.best === null || value > progress.best.value;
    if (best) {
      await saveModelFolder(this.#run.best, this.#faceModel(figures.threshold));
      progress.best = { step: progress.step, value, threshold: figures.threshold };
    }
    progress.withoutBest = best ? 0 : progress.withoutBest + 1;
    this.#emit({ kind: 'verification', step: progress.step, figures, best });
  }

  #verify(net: FaceModel, data: VerificationData, threshold?: number): Promise<Verification> {
    const { verification, batch } = this.settings;
    const { threads } = this.settings.data;
    return verify(net, data, {
      ...{
        batchSize: Math.min(batch.size, 256),
        falseAcceptRate: verification.falseAcceptRate,
        badFiles: this.#badHeldOut,
      },
      ...(threads !== undefined && { threads }),
      ...(data === this.#data.verification && { cache: this.#caches.verification }),
      ...(threshold !== undefined && { threshold }),
    });
  }

  /** The net as it is now, as it would be used. */
  #faceModel(threshold: ModelThreshold | null): FaceModel {
    const { input, verification } = this.settings;
    const { model } = this.#net;
    const dim = model.outputs[0]?.shape[1] as number;
    const description: ModelDescription = { input, embedding: { dim, flip: verification.flip }, threshold };
    return { model, description };
  }

  async #save(): Promise<void> {
    const progress: SavedProgress = {
      ...this.#progress,
      ...{ state: { ...this.#net.objective.state }, logs: this.#log.lengths, fingerprint: this.#data.fingerprint },
    };
    writeCheckpoint(this.#run.checkpoint, { progress, tensors: await this.#net.save() });
    this.#emit({ kind: 'checkpoint', step: progress.step });
  }

  async #stop(): Promise<TrainOutcome> {
    await this.#save();
    await saveModelFolder(this.#run.last, this.#faceModel(this.#progress.threshold));
    return { end: 'stopped', step: this.#progress.step, figures: undefined };
  }

  async #finish(): Promise<Omit<TrainOutcome, 'step'>> {
    const { best, step, seconds } = this.#progress;
    const end = step < this.#steps ? 'early' : 'finished';
    const data = this.#tests ? this.#data : { ...this.#data, test: undefined };
    await saveModelFolder(this.#run.last, this.#faceModel(this.#progress.threshold));
    const chosen = best ? await loadModelFolder(this.#run.best) : this.#faceModel(null);
    try {
      const verification = data.verification && (await this.#verify(chosen, data.verification));
      const test = data.test && (await this.#verify(chosen, data.test, best?.threshold?.cosine));
      const figures: RunFigures = {
        ...{ end, step, steps: this.#steps, seconds, backend: getBackend(), parameters: this.#net.size },
        ...{ epochs: (step * this.settings.batch.size) / data.train.size, images: data.train.size },
        ...{ identities: data.train.identities.length, badImages: this.#badFiles.count + this.#badHeldOut.count },
        ...{ bestStep: best?.step ?? null, lossOptions: this.#net.objective.options },
        ...{ verification: verification?.figures ?? null, test: test?.figures ?? null },
      };
      replaceFile(this.#run.figures, `${JSON.stringify(figures, null, 2)}\n`);
      const shown = test ?? verification;
      const of = test ? data.test : data.verification;
      writeReport(this.#run, {
        ...{ settings: this.settings, figures },
        map: shown && of?.named ? { ...shown, faces: of.faces, name: of.name } : undefined,
      });
      return { end, figures };
    } finally {
      if (best) chosen.model.dispose();
    }
  }
}

/** A net that has left the numbers has no fit; the next step says so, with its number. */
function whereNotFinite(error: unknown): undefined {
  if (!(error instanceof CosFaceError) || error.code !== 'COSFACE_NOT_FINITE') throw error;
}

const ADVICE =
  'The weights are those before this step. Lower optimizer.learningRate, set optimizer.clip, or lengthen schedule.warmUp; ' +
  '--resume goes on from the last checkpoint.';

interface Opened {
  settings: TrainSettings;
  run: RunFolder;
  data: TrainingData;
  net: TrainingNet;
  log: RunLog;
  progress: Progress;
  emit: (event: TrainEvent) => void;
  tests: boolean;
}

function settingsOf(run: RunFolder, given: TrainSettingsInput | undefined, resume: boolean): TrainSettings {
  const saved = savedSettings(run);
  if (saved !== undefined && !resume) {
    throw settingsError(
      run.folder,
      'there is a run in this folder. Go on with it by --resume, or choose another folder.',
    );
  }
  if (saved === undefined) {
    if (given) return checkSettings(given, 'settings');
    throw settingsError(run.folder, 'there is no run to resume, and no settings were given to start one.');
  }
  const before = checkSettings(saved, run.settings);
  if (!given) return before;
  const asked = checkSettings(given, 'settings');
  requireResumable(before, asked, run.folder);
  return asked;
}

interface RestoreOptions {
  data: TrainingData;
  onEvent: (event: TrainEvent) => void;
}

/** Puts a checkpoint into a net; `undefined` where the run was killed before its first one. */
async function restore(
  run: RunFolder,
  net: TrainingNet,
  { data, onEvent }: RestoreOptions,
): Promise<SavedProgress | undefined> {
  const note = (text: string) => onEvent({ kind: 'note', text });
  if (![run.checkpoint, previousOf(run.checkpoint)].some((file) => existsSync(file))) {
    note('There is no checkpoint yet: the run starts anew.');
    return undefined;
  }
  const { tensors, progress } = await readCheckpoint(run.checkpoint, (text) =>
    note(`${text} The one before it is taken.`),
  );
  const saved = progress as SavedProgress;
  if (saved.fingerprint !== data.fingerprint) {
    throw checkpointError(
      `the images to train on are not those that ${run.checkpoint} was trained on: names, identities or their number ` +
        'have changed. Put them back, or start another run.',
    );
  }
  net.restore(tensors);
  Object.assign(net.objective.state, saved.state);
  return saved;
}

function stepsOf({ steps, epochs, batch }: TrainSettings, images: number): number {
  return steps ?? Math.max(1, Math.round(((epochs as number) * images) / batch.size));
}

async function take(batches: AsyncGenerator<TrainingBatch>, count: number): Promise<TrainingBatch[]> {
  const parts: TrainingBatch[] = [];
  while (parts.length < count) parts.push((await batches.next()).value as TrainingBatch);
  return parts;
}
