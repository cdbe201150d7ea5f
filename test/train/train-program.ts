import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrainSettingsInput } from '../../src/train/train-settings.js';
import { cli } from '../cli/run-cli.js';

/** A net and a run that take a second or two. */
export const SMALL: TrainSettingsInput = {
  input: { height: 16, width: 16, alignment: null },
  augmentation: { flip: 0.5, shift: 0.1, brightness: 0.2 },
  model: { backbone: 'sphereface4', widths: [4, 6, 8, 8], dim: 8, batchNorm: true },
  loss: { name: 'cosface', margin: 0.2 },
  batch: { size: 8, accumulate: 2 },
  optimizer: { learningRate: 0.05, clip: 5 },
  schedule: { name: 'cosine', warmUp: 3 },
  verification: { share: 0.3, every: 10 },
  checkpoint: { every: 5 },
  log: { every: 2 },
  data: { path: '', threads: 1 },
  steps: 40,
};

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface TrainRun {
  ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts `cosface train` as people would. */
export function startTraining(args: readonly string[]): TrainRun {
  return startCommand(['train', ...args]);
}

/** Starts a command that takes a while. */
export function startCommand(args: readonly string[]): TrainRun {
  if (!existsSync(cli)) throw new Error('dist/ is missing: run npm run build');
  const inherited = Object.entries(process.env).filter(([name]) => !/^(COSFACE_|VITEST)/.test(name));
  const child = spawn(process.execPath, [cli, ...args], {
    env: Object.fromEntries(inherited),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, ...output }));
  });
  return { ended, kill: (signal) => void child.kill(signal) };
}

export async function train(args: readonly string[]): Promise<Ended> {
  return startTraining(args).ended;
}

export function writeConfig(file: string, settings: object): string {
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

/** Waits until the run's metrics have so many lines, or the run has ended. */
export async function metricsLines(folder: string, count: number, ended: Promise<unknown>): Promise<void> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  const lines = () => {
    const file = join(folder, 'metrics.jsonl');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
  };
  while (!over && lines() < count) await sleep(5);
}

/** All that must not depend on whether a run was broken off: weights, metrics without times, TensorBoard without its clock. */
export function outcomeOf(folder: string): Record<string, unknown> {
  const weights = (name: string) =>
    readdirSync(join(folder, name))
      .filter((file) => file.startsWith('weights'))
      .join();
  const metrics = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { seconds: _, imagesPerSecond: __, ...rest } = JSON.parse(line);
      return rest;
    });
  const { seconds: _, ...figures } = JSON.parse(readFileSync(join(folder, 'figures.json'), 'utf8'));
  return { best: weights('best'), last: weights('last'), metrics, figures };
}
