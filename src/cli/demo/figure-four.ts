import { type DigitSplit, splitDigits } from '../../data/digit-split.js';
import { meanGap, sectors } from '../../evaluate/circle-gaps.js';
import type { Objective } from '../../models/classifier.js';
import { type Learnt, type Lesson, learn, lessonSteps } from './learn.js';
import type { Progress } from './progress.js';
import type { DemoSettings } from './settings.js';

/** What one net has made of the held-out digits. */
export interface Panel {
  objective: Objective;
  /** Share of held-out images that are recognised. */
  accuracy: number;
  /** Mean angle between the central 90 % of neighbouring classes, degrees. */
  gap: number;
  /** Row-major [N, 2], held-out images. */
  features: Float32Array;
  /** Row-major [C, 2]. */
  centres: Float32Array;
}

export interface FigureFour {
  /** The digit of each class. */
  digits: number[];
  /** The class of each held-out image, [N]. */
  labels: Int32Array;
  panels: Panel[];
}

/** The trainings of the figure: first what all panels share, then one for each panel. */
export interface FigureLessons {
  split: DigitSplit;
  shared: Lesson;
  own: Lesson[];
}

export function figureLessons(digits: readonly Float32Array[][], settings: DemoSettings): FigureLessons {
  const { unseen, scale, margins, sharedEpochs, ownEpochs, learningRate, warp } = settings.figure;
  const { perDigit, score } = settings;
  const split = splitDigits(digits, { unseen, score, ...(perDigit && { perDigit }) });
  const { train, trained } = split;
  const common = { learningRate, warp, dim: 2, train, numClasses: trained.length };
  const softmax: Objective = { loss: 'softmax' };
  const objectives = [softmax, ...margins.map((margin): Objective => ({ loss: 'lmcl', scale, margin }))];
  return {
    split,
    shared: { ...common, name: 'figure start', objective: softmax, epochs: sharedEpochs },
    own: objectives.map((objective) => ({ ...common, name: 'figure', objective, epochs: ownEpochs })),
  };
}

/**
 * The paper's Figure 4 with real digits: 8 classes with features of 2 dimensions, by softmax and by LMCL.
 *
 * All panels go on from one softmax training, with the same images in the same order. On a circle classes can hardly
 * pass one another, so LMCL from a random start is caught in a bad order of the classes; softmax sorts them out by way of the middle. And only so are the panels comparable:
 * the classes lie in one order, and nothing but the loss differs.
 */
export async function figureFour(
  { split, shared, own }: FigureLessons,
  settings: DemoSettings,
  watch: Progress['watch'],
): Promise<FigureFour> {
  const first = await learn(shared, settings, watch('2-D, common start', lessonSteps(shared, settings)));
  const start = first.snapshot();
  first.dispose();
  const panels: Panel[] = [];
  for (const lesson of own) {
    const net = await learn(
      { ...lesson, start },
      settings,
      watch(`2-D, ${objectiveName(lesson.objective)}`, lessonSteps(lesson, settings)),
    );
    panels.push(panelOf(lesson.objective, net, split.heldOut));
    net.dispose();
  }
  return { digits: split.trained, labels: split.heldOut.labels, panels };
}

function panelOf(objective: Objective, net: Learnt, heldOut: Lesson['train']): Panel {
  const features = net.embeddings(heldOut.images);
  const gap = (meanGap(sectors(features, heldOut.labels)) * 180) / Math.PI;
  return { objective, accuracy: net.accuracy(heldOut), gap, features, centres: net.centres() };
}

/** As in 'softmax' or 'LMCL, m = 0.2'. */
export function objectiveName(objective: Objective): string {
  return objective.loss === 'softmax' ? 'softmax' : `LMCL, m = ${objective.margin}`;
}
