import { dataError, type FilePlace } from '../data/data-error.js';
import { type FeatureList, readFeatureList } from '../data/feature-list.js';
import { type FeatureMatrix, readNpy } from '../data/read-npy.js';
import { CosFaceError } from '../native/errors.js';
import { falseAcceptRates, type MegaFaceEvaluation } from './evaluation.js';
import { bare, featureRows } from './feature-rows.js';
import { type FeatureTable, readMatrix } from './feature-table.js';
import { type MegaFaceProblem, megaFace } from './megaface.js';
import { isFolder } from './read-feature-folder.js';
import type { EvaluateRequest } from './request.js';
import { describeFiles, joined, pairsPlace, readRequestFeatures } from './request-files.js';

/** MegaFace's challenge 1, or the same on any probes and distractors. */
export function evaluateMegaFace(request: EvaluateRequest): MegaFaceEvaluation {
  const features = readRequestFeatures(request);
  const table = joined(features, request, 'concatenate');
  const { probes, rest } = chooseProbes(table, request);
  const distractors = request.distractors === undefined ? rest() : readDistractors(request, table.dim);
  if (distractors.rows === 0)
    throw new CosFaceError(
      'COSFACE_DATA',
      'there are no distractors: every row is a probe. Give --distractors, or --pairs with a list of the probes.',
      { argument: '--distractors' },
    );
  const problem: MegaFaceProblem = { ...probes, distractors };
  const figures = megaFace(problem, {
    counts: galleryCounts(request, distractors.rows),
    ranks: request.ranks,
    falseAcceptRates: falseAcceptRates(request),
    level: request.confidence,
    threads: request.threads,
    histogram: request.histogram,
  });
  const files = describeFiles(request, features, { rule: 'concatenate' });
  return { protocol: 'megaface', ...files, distractorsFile: request.distractors ?? null, ...figures };
}

/** 10, 100, ... as in MegaFace's own tables, and all. */
function galleryCounts({ counts }: EvaluateRequest, all: number): number[] {
  const chosen = counts ?? Array.from({ length: 15 }, (_, k) => 10 ** (k + 1)).filter((count) => count < all);
  const beyond = chosen.find((count) => count > all);
  if (beyond !== undefined)
    throw new CosFaceError('COSFACE_OPTION_RANGE', `--counts has ${beyond}, but there are ${all} distractors.`, {
      argument: '--counts',
    });
  return counts ? [...chosen] : [...chosen, all];
}

interface ChosenProbes {
  probes: Omit<MegaFaceProblem, 'distractors'>;
  /** The rows that are no probes. */
  rest: () => FeatureMatrix;
}

/** Probes are what `--pairs` lists; without it every row, but for those with label -1. */
function chooseProbes(table: FeatureTable, request: EvaluateRequest): ChosenProbes {
  const { pairs } = request;
  const isDistractor = (row: number) => table.labels?.[row] === '-1';
  const all = table.names.map((_, row) => row);
  const [list, rows] =
    pairs === undefined ? [table, all.filter((row) => !isDistractor(row))] : listedProbes(table, pairsPlace(request));
  const names = pairs === undefined ? rows.map((row) => table.names[row] as string) : list.names;
  const labels = pairs === undefined ? table.labels && rows.map((row) => table.labels?.[row] as string) : list.labels;
  const chosen = new Set(rows);
  return {
    probes: { probes: pickRows(table, rows), identities: identitiesOf({ names, labels }) },
    rest: () =>
      pickRows(
        table,
        all.filter((row) => !chosen.has(row)),
      ),
  };
}

function listedProbes(table: FeatureTable, place: FilePlace): [FeatureList, number[]] {
  const list = readFeatureList(place);
  const { find } = featureRows(table.names);
  const rows = list.names.map((name, i) => {
    const row = find(name, place);
    if (row >= 0) return row;
    const text = `there are no features of the probe '${name}' (number ${i + 1}). Add them, or take it off the list.`;
    throw dataError('COSFACE_MISSING_FEATURE', place, text);
  });
  return [list, rows];
}

/** Labels where there are any, else the folder that an image lies in. */
function identitiesOf({ names, labels }: FeatureList): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(names, (name, i) => {
    const identity = labels?.[i] ?? bare(name).split('/').slice(0, -1).join('/');
    const number = numbers.get(identity) ?? numbers.size;
    numbers.set(identity, number);
    return number;
  });
}

/** Some rows; a view, without a copy, where they lie one after another. */
function pickRows({ values, dim, dtype }: FeatureMatrix, rows: readonly number[]): FeatureMatrix {
  const first = rows[0] ?? 0;
  if (rows.every((row, i) => row === first + i))
    return { values: values.subarray(first * dim, (first + rows.length) * dim), rows: rows.length, dim, dtype };
  const picked = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => {
    picked.set(values.subarray(row * dim, (row + 1) * dim), i * dim);
  });
  return { values: picked, rows: rows.length, dim, dtype };
}

function readDistractors({ distractors = '', distractorList, suffix }: EvaluateRequest, dim: number): FeatureMatrix {
  const place = { file: distractors, argument: '--distractors' };
  const matrix = readNamedDistractors(place, distractorList, suffix);
  if (matrix.dim === dim) return matrix;
  throw dataError(
    'COSFACE_DATA',
    place,
    `has ${matrix.dim} features a row, expected ${dim} as --features has. Embed both with one model, in one way.`,
  );
}

function readNamedDistractors(
  place: { file: string; argument: string },
  listFile: string | undefined,
  suffix: string | undefined,
): FeatureMatrix {
  if (listFile !== undefined) {
    const list = { file: listFile, argument: '--distractor-list' };
    return readMatrix({ features: place, list, suffix }, readFeatureList(list).names);
  }
  if (!isFolder(place.file)) return readNpy(place);
  throw new CosFaceError(
    'COSFACE_OPTION_RANGE',
    '--distractor-list is missing, which a folder of features needs: it says which files to read.',
    { argument: '--distractor-list' },
  );
}
