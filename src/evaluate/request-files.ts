import type { FilePlace } from '../data/data-error.js';
import { type FeatureList, readFeatureList } from '../data/feature-list.js';
import type { FeatureMatrix } from '../data/read-npy.js';
import { CosFaceError } from '../native/errors.js';
import { checkNamedFeatures } from './check-named-features.js';
import type { EvaluatedFiles } from './evaluation.js';
import { countZeroRows, type FeatureTable, type FlipRule, readMatrix, withFlipped } from './feature-table.js';
import type { EvaluateRequest } from './request.js';

/** The features of a request with their names, and those of the mirrored images where there are any. */
export interface RequestFeatures {
  table: FeatureTable;
  flipped: FeatureMatrix | undefined;
}

/** @param named - What `--list` says, where it is of another form than usual. */
export function readRequestFeatures(request: EvaluateRequest, named?: FeatureList): RequestFeatures {
  const { suffix, features } = request;
  if (typeof features !== 'string') return checkNamedFeatures(features);
  const list = listPlace(request);
  const known = named ?? readFeatureList(list);
  const table = {
    ...known,
    ...readMatrix({ features: { file: features, argument: '--features' }, list, suffix }, known.names),
  };
  const { flipped: file } = request;
  if (file === undefined) return { table, flipped: undefined };
  return { table, flipped: readMatrix({ features: flippedPlace(request), list, suffix }, table.names) };
}

/** @throws {CosFaceError} COSFACE_OPTION_RANGE where a request with a file of features has no list. */
export function listPlace({ list }: EvaluateRequest): FilePlace {
  if (list !== undefined) return { file: list, argument: '--list' };
  throw new CosFaceError('COSFACE_OPTION_RANGE', '--list is missing: it names the rows of --features.', {
    argument: '--list',
  });
}

/** Both as one. */
export function joined({ table, flipped }: RequestFeatures, request: EvaluateRequest, rule: FlipRule): FeatureTable {
  return flipped ? { ...table, ...withFlipped(table, flipped, { rule, place: flippedPlace(request) }) } : table;
}

function flippedPlace({ flipped = '' }: EvaluateRequest): FilePlace {
  return { file: flipped, argument: '--flipped' };
}

export function pairsPlace({ pairs, protocol }: EvaluateRequest): FilePlace {
  if (typeof pairs === 'string') return { file: pairs, argument: '--pairs' };
  if (pairs !== undefined)
    throw new CosFaceError(
      'COSFACE_UNSUPPORTED',
      `the pairs of ${pairs.source} are pairs of images: --protocol lfw or pairs takes them, ${protocol} does not.`,
      { argument: '--pairs' },
    );
  throw new CosFaceError(
    'COSFACE_OPTION_RANGE',
    `--pairs is missing, which --protocol ${protocol} needs. Give the protocol's list of pairs.`,
    { argument: '--pairs' },
  );
}

export function describeFiles(
  request: EvaluateRequest,
  { table, flipped }: RequestFeatures,
  { rule, skipped = 0 }: { rule: FlipRule; skipped?: number },
): EvaluatedFiles {
  const { rows, dim, dtype } = table;
  return {
    features: { file: nameOf(request.features), rows, dim, dtype, zeroRows: countZeroRows(table) },
    list: request.list ?? null,
    flip: flipped ? rule : null,
    pairsFile: (typeof request.pairs === 'object' ? request.pairs.source : request.pairs) ?? null,
    skippedPairs: skipped,
  };
}

function nameOf(features: EvaluateRequest['features']): string {
  return typeof features === 'string' ? features : (features.source ?? 'features');
}
