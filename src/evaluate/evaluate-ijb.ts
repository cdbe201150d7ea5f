import { dataError, type FilePlace } from '../data/data-error.js';
import { cosineScores } from './cosine-pairs.js';
import { checkPooling } from './evaluate-ytf.js';
import { falseAcceptRates, type IjbEvaluation } from './evaluation.js';
import { featureRows } from './feature-rows.js';
import {
  poolTemplates,
  readQualities,
  readTemplateList,
  TEMPLATE_POOLINGS,
  type TemplateList,
} from './ijb-templates.js';
import { resolvePairs } from './named-pair.js';
import { nearestPoints } from './nearest-points.js';
import { pairFigures } from './pair-figures.js';
import { readPairLines } from './pair-lines.js';
import type { EvaluateRequest } from './request.js';
import {
  describeFiles,
  joined,
  listPlace,
  pairsPlace,
  type RequestFeatures,
  readRequestFeatures,
} from './request-files.js';
import { requireBothKinds } from './require-both-kinds.js';

/** IJB-B or IJB-C 1:1: templates of images and video frames, pooled to one feature each. */
export function evaluateIjb(request: EvaluateRequest): IjbEvaluation {
  const pooling = checkPooling(request.pooling ?? 'raw-mean', TEMPLATE_POOLINGS, 'ijb');
  const place = pairsPlace(request);
  const { features, list, rowOfImage } = readTemplateFeatures(request);
  const { quality } = request;
  const qualities =
    quality === undefined ? undefined : readQualities({ file: quality, argument: '--quality' }, list.names);
  const pooled = poolTemplates(joined(features, request, 'add'), list, { rowOfImage, pooling, qualities });
  const find = (template: string) => pooled.rowOf.get(template) ?? -1;
  const pairs = resolvePairs(readPairLines(place), { place, find, missing: request.missing, what: 'the template' });
  requireBothKinds(pairs, place);
  const scores = cosineScores(pooled.values, pooled.dim, pairs);
  const rates = falseAcceptRates(request);
  const { figures, curve } = pairFigures(scores, pairs.same, { falseAcceptRates: rates, level: request.confidence });
  return {
    protocol: 'ijb',
    ...describeFiles(request, features, { rule: 'add', skipped: pairs.skipped }),
    pooling,
    quality: quality ?? null,
    templates: pooled.rows,
    ...figures,
    nearestPoints: nearestPoints(curve, figures, rates).map(({ threshold, ...point }, at) => ({
      asked: rates[at] as number,
      ...point,
      threshold: Number.isFinite(threshold) ? threshold : null,
    })),
  };
}

interface TemplateFeatures {
  features: RequestFeatures;
  list: TemplateList;
  rowOfImage: Int32Array;
}

/** Either `--list` is ijb?_face_tid_mid.txt itself, in the order of the features, or `--templates` is. */
function readTemplateFeatures(request: EvaluateRequest): TemplateFeatures {
  if (request.templates === undefined) {
    const list = readTemplateList(listPlace(request));
    const features = readRequestFeatures(request, { names: list.names, labels: undefined });
    return { features, list, rowOfImage: Int32Array.from(list.names, (_, row) => row) };
  }
  const place = { file: request.templates, argument: '--templates' };
  const features = readRequestFeatures(request);
  const list = readTemplateList(place);
  const { find } = featureRows(features.table.names);
  const rowOfImage = Int32Array.from(list.names, (name) => rowOf(name, find(name, place), place));
  return { features, list, rowOfImage };
}

function rowOf(name: string, row: number, place: FilePlace): number {
  if (row >= 0) return row;
  throw dataError('COSFACE_MISSING_FEATURE', place, `there are no features of the image '${name}'. Add them.`);
}
