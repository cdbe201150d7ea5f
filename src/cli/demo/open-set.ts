import { type DigitSplit, splitDigits } from '../../data/digit-split.js';
import { cosineScores, pairsWithinFolds } from '../../evaluate/cosine-pairs.js';
import { type MeanAndError, meanAndError } from '../../evaluate/mean-and-error.js';
import { areaUnderRoc, equalErrorRate, rocCurve } from '../../evaluate/roc.js';
import { crossValidatedAccuracy } from '../../evaluate/verification.js';
import type { Objective } from '../../models/classifier.js';
import { type Learnt, type Lesson, learn, lessonSteps } from './learn.js';
import type { Progress } from './progress.js';
import type { DemoSettings } from './settings.js';

/** How well a net tells the digits of one round apart, none of which it has seen. */
export interface Round {
  unseen: number[];
  pairs: number;
  /** Of pairs, by thresholds chosen on other folds. */
  accuracy: number;
  equalErrorRate: number;
  areaUnderRoc: number;
  /** Share of held-out images of the trained digits that are recognised. */
  seenAccuracy: number;
}

export interface OpenSetRow {
  name: 'softmax' | 'NormFace' | 'LMCL';
  objective: Objective;
  accuracy: MeanAndError;
  equalErrorRate: MeanAndError;
  areaUnderRoc: MeanAndError;
  seenAccuracy: MeanAndError;
  rounds: Round[];
}

export interface OpenSet {
  rows: OpenSetRow[];
  /** Accuracy of LMCL less that of softmax, round by round: the digits' own difficulty drops out. */
  gain: MeanAndError;
}

/** The trainings of one round; the losses differ in nothing else. */
export interface RoundLessons {
  split: DigitSplit;
  lessons: Array<Lesson & { row: OpenSetRow['name'] }>;
}

export function openSetLessons(digits: readonly Float32Array[][], settings: DemoSettings): RoundLessons[] {
  const { verification, score, perDigit } = settings;
  const { unseen: rounds, scale, margin, dim, epochs, learningRate, warp } = verification;
  const objectives: Array<[OpenSetRow['name'], Objective]> = [
    ['softmax', { loss: 'softmax' }],
    ['NormFace', { loss: 'lmcl', scale, margin: 0 }],
    ['LMCL', { loss: 'lmcl', scale, margin }],
  ];
  return rounds.map((unseen, round) => {
    // Settings are chosen on other digits than those of the round: these stay out, and the next round's are strangers.
    const tuning = score === 'tune' && { leftOut: unseen, unseen: rounds[(round + 1) % rounds.length] ?? unseen };
    const split = splitDigits(digits, { unseen, score, ...(perDigit && { perDigit }), ...tuning });
    const { train, trained } = split;
    const name = `round ${unseen}`;
    const common = { name, dim, epochs, learningRate, warp, train, numClasses: trained.length };
    return { split, lessons: objectives.map(([row, objective]) => ({ ...common, row, objective })) };
  });
}

/** Verification of digits never seen in training: train each loss in each round, and score pairs by their cosine. */
export async function openSet(
  rounds: readonly RoundLessons[],
  settings: DemoSettings,
  watch: Progress['watch'],
): Promise<OpenSet> {
  const results = new Map<OpenSetRow['name'], { objective: Objective; rounds: Round[] }>();
  for (const { split, lessons } of rounds) {
    for (const lesson of lessons) {
      const title = `without ${split.unseen.join(' and ')}, ${lesson.row}`;
      const net = await learn(lesson, settings, watch(title, lessonSteps(lesson, settings)));
      const sofar = results.get(lesson.row)?.rounds ?? [];
      results.set(lesson.row, { objective: lesson.objective, rounds: [...sofar, score(net, split, settings)] });
      net.dispose();
    }
  }
  const rows = [...results].map(([name, { objective, rounds: of }]) => ({ name, objective, ...summary(of) }));
  return { rows, gain: gainOf(rows) };
}

function score(net: Learnt, { unseen, strangers, heldOut }: DigitSplit, { verification }: DemoSettings): Round {
  const pairs = pairsWithinFolds(strangers.labels, verification.folds);
  const scores = cosineScores(net.embeddings(strangers.images), verification.dim, pairs);
  const roc = rocCurve(scores, pairs.same);
  return {
    unseen,
    pairs: scores.length,
    accuracy: crossValidatedAccuracy(scores, pairs.same, pairs.fold).mean,
    equalErrorRate: equalErrorRate(roc),
    areaUnderRoc: areaUnderRoc(roc),
    seenAccuracy: net.accuracy(heldOut),
  };
}

function summary(rounds: Round[]): Omit<OpenSetRow, 'name' | 'objective'> {
  return {
    accuracy: meanAndError(rounds.map((round) => round.accuracy)),
    equalErrorRate: meanAndError(rounds.map((round) => round.equalErrorRate)),
    areaUnderRoc: meanAndError(rounds.map((round) => round.areaUnderRoc)),
    seenAccuracy: meanAndError(rounds.map((round) => round.seenAccuracy)),
    rounds,
  };
}

function gainOf(rows: readonly OpenSetRow[]): MeanAndError {
  const accuracies = (name: OpenSetRow['name']) =>
    rows.find((row) => row.name === name)?.rounds.map(({ accuracy }) => accuracy) ?? [];
  const softmax = accuracies('softmax');
  return meanAndError(accuracies('LMCL').map((accuracy, round) => accuracy - (softmax[round] as number)));
}
