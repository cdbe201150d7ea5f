import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getBackend, setBackend } from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { readDigits } from '../../data/digits.js';
import { replaceFile } from '../../files/replace-file.js';
import { type BackendInfo, backendInfo } from '../../native/backend-info.js';
import { CosFaceError } from '../../native/errors.js';
import { speedUpWasmMatMul } from '../../train/wasm-mat-mul.js';
import { renderPng } from '../render-png.js';
import { writeJson } from '../write-json.js';
import { drawFigureFour } from './draw-figure-four.js';
import { type FigureFour, figureFour, figureLessons } from './figure-four.js';
import { type Lesson, lessonSteps } from './learn.js';
import { type OpenSet, openSet, openSetLessons } from './open-set.js';
import { createProgress, type Progress } from './progress.js';
import { demoFigures, describeFigure, figureFigures, report } from './report.js';
import { type DemoSettings, demoSettings, type SettingsOptions } from './settings.js';

export interface DemoOptions extends SettingsOptions {
  out: string;
  json?: string | undefined;
}

/** Trains, measures, draws, writes and prints. */
export async function runDemo({ out, json, ...options }: DemoOptions): Promise<void> {
  const start = performance.now();
  const settings = demoSettings(options);
  checkWritable(out);
  if (json !== undefined && json !== '-') checkWritable(dirname(json));
  await useWasm();
  const backend = backendInfo();
  if (json !== '-') console.log(introduction(settings, backend));
  const results = await trainAll(settings);
  const figures = demoFigures(settings, backend, results);
  const pictures = writePictures(out, results.figure, settings);
  const text = `${JSON.stringify(figures, null, 2)}\n`;
  replaceFile(join(out, 'figures.json'), text);
  if (json === '-') writeJson(json, figures);
  else if (json !== undefined) replaceFile(json, text);
  const seconds = (performance.now() - start) / 1000;
  if (json !== '-') console.log(report(figures, [...pictures, join(out, 'figures.json')], seconds));
}

/** Figure 4 alone. */
export async function runToy({ out, json, ...options }: DemoOptions): Promise<void> {
  const settings = demoSettings(options);
  checkWritable(out);
  await useWasm();
  if (json !== '-') console.log(introduction(settings, backendInfo()));
  const lessons = figureLessons(readDigits(), settings);
  const figure = await underProgress([lessons.shared, ...lessons.own], settings, (watch) =>
    figureFour(lessons, settings, watch),
  );
  const figures = figureFigures(figure);
  const files = writePictures(out, figure, settings);
  replaceFile(join(out, 'figures.json'), `${JSON.stringify({ settings, figure4: figures }, null, 2)}\n`);
  if (json !== undefined) writeJson(json, { settings, figure4: figures });
  if (json !== '-') console.log([...describeFigure(figures, settings), ...files].join('\n'));
}

/** Better said now than after two minutes of training. */
function checkWritable(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new CosFaceError(
      'COSFACE_OUTPUT',
      `nothing can be written into ${directory}: ${why}. Choose another folder.`,
      {
        cause,
      },
    );
  }
}

async function useWasm(): Promise<void> {
  if (!(await setBackend('wasm')) || getBackend() !== 'wasm') {
    throw new CosFaceError(
      'COSFACE_UNSUPPORTED',
      'the wasm backend of TensorFlow.js did not start; the demo needs it.',
    );
  }
  speedUpWasmMatMul();
}

function introduction({ quick, score }: DemoSettings, { binary, isa, reasons }: BackendInfo): string {
  const kernel = binary ? `native kernels, ${isa}` : `composed operations, because ${reasons.join(' ')}`;
  const marks = [quick && 'QUICK: the figures mean nothing.', score === 'tune' && 'TUNING images and digits.'];
  return [`TensorFlow.js on wasm; CosFace by ${kernel}.`, ...marks.filter(Boolean)].join('\n');
}

async function trainAll(settings: DemoSettings): Promise<{ figure: FigureFour; openSet: OpenSet }> {
  const digits = readDigits();
  const ofFigure = figureLessons(digits, settings);
  const rounds = openSetLessons(digits, settings);
  const lessons = [ofFigure.shared, ...ofFigure.own, ...rounds.flatMap((round) => round.lessons)];
  return underProgress(lessons, settings, async (watch) => {
    const figure = await figureFour(ofFigure, settings, watch);
    return { figure, openSet: await openSet(rounds, settings, watch) };
  });
}

async function underProgress<T>(
  lessons: readonly Lesson[],
  settings: DemoSettings,
  train: (watch: Progress['watch']) => Promise<T>,
): Promise<T> {
  const progress = createProgress(lessons.reduce((sum, lesson) => sum + lessonSteps(lesson, settings), 0));
  const release = stopOnSignals(progress);
  try {
    return await train(progress.watch);
  } finally {
    release();
    progress.stop();
  }
}

/** The terminal gets its cursor back; nothing has been written yet. */
function stopOnSignals(progress: Progress): () => void {
  const stop = (signal: NodeJS.Signals) => {
    progress.stop();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return () => process.off('SIGINT', stop).off('SIGTERM', stop);
}

function writePictures(out: string, figure: FigureFour, { seed, quick, figure: of }: DemoSettings): string[] {
  const label = quick ? 'A quick run: too short to mean anything. ' : '';
  const note =
    `${label}Held-out digits ${figure.digits[0]} to ${figure.digits.at(-1)}, features of two dimensions. Rays: class centres. ` +
    `Below: where the directions lie, and how densely. ${of.sharedEpochs + of.ownEpochs} epochs, the first ${of.sharedEpochs} common to all; seed ${seed}.`;
  const svg = drawFigureFour(figure, note);
  const paths = [join(out, 'figure-4.svg'), join(out, 'figure-4.png')] as const;
  replaceFile(paths[0], svg);
  replaceFile(paths[1], renderPng(svg));
  return [...paths];
}
