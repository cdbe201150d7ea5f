import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BadFilePolicy } from '../data/bad-files.js';
import type { BackendName } from '../models/start-backend.js';
import { wholeFrom } from './number-options.js';

/** What every command that runs a model can be told. */
export interface ModelFlags {
  model: string;
  backend: BackendName | 'auto';
  detect?: boolean | undefined;
}

export function addModelOptions(command: Command): Command {
  return command
    .requiredOption('--model <folder>', 'a trained model: model.json, its weights and cosface.json')
    .option('--detect', 'find and align faces first, by the npm package @vladmandic/face-api')
    .addOption(backendOption());
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'of TensorFlow.js; auto: tensorflow (tfjs-node) where it works, else wasm')
    .choices(['auto', 'tensorflow', 'wasm'])
    .default('auto');
}

/** How a folder of images is gone through. */
export interface BatchFlags {
  batch: number;
  threads?: number;
  bad: BadFilePolicy;
}

export function addBatchOptions(command: Command): Command {
  return command
    .option('--batch <number>', 'images at a time', wholeFrom(1), 64)
    .option('--threads <number>', 'that decode images (default by the processors; 0: none of their own)', wholeFrom(0))
    .addOption(new Option('--bad <what>', 'what to do about a bad image').choices(['skip', 'fail']).default('skip'));
}

/** A threshold. */
export function cosineOf(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= -1 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a cosine, from -1 to 1.');
}
