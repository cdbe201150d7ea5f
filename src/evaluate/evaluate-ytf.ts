import { CosFaceError } from '../native/errors.js';
import { cosineScores, dotScores } from './cosine-pairs.js';
import { falseAcceptRates, type YtfEvaluation } from './evaluation.js';
import { foldFigures, withFolds } from './fold-figures.js';
import { resolvePairs } from './named-pair.js';
import { pairFigures } from './pair-figures.js';
import { poolVideos, VIDEO_POOLINGS, type VideoPooling } from './pool-videos.js';
import type { EvaluateRequest } from './request.js';
import { describeFiles, joined, pairsPlace, readRequestFeatures } from './request-files.js';
import { requireBothKinds } from './require-both-kinds.js';
import { readYtfPairs } from './ytf-pairs.js';

/** YouTube Faces: 5,000 pairs of videos in ten folds, a video's frames pooled to one feature. */
export function evaluateYtf(request: EvaluateRequest): YtfEvaluation {
  const pooling = checkPooling(request.pooling ?? 'unit-mean', VIDEO_POOLINGS, 'ytf');
  const place = pairsPlace(request);
  const features = readRequestFeatures(request);
  const videos = poolVideos(joined(features, request, 'concatenate'), pooling);
  const rows = new Map(videos.names.map((name, row) => [name, row]));
  const find = (name: string) => rows.get(name) ?? -1;
  const pairs = resolvePairs(readYtfPairs(place), { place, find, missing: request.missing, what: 'the video' });
  requireBothKinds(pairs, place);
  const score = pooling === 'frame-pairs' ? dotScores : cosineScores;
  const scores = score(videos.values, videos.dim, pairs);
  const level = request.confidence;
  return {
    protocol: 'ytf',
    ...describeFiles(request, features, { rule: 'concatenate', skipped: pairs.skipped }),
    pooling,
    videos: videos.rows,
    ...foldFigures(scores, withFolds(pairs), level),
    ...pairFigures(scores, pairs.same, { falseAcceptRates: falseAcceptRates(request), level }).figures,
  };
}

/** @throws {CosFaceError} COSFACE_OPTION_RANGE for a way of pooling that belongs to another protocol. */
export function checkPooling<T extends VideoPooling | string>(asked: string, known: readonly T[], protocol: string): T {
  const found = known.find((name) => name === asked);
  if (found !== undefined) return found;
  throw new CosFaceError(
    'COSFACE_OPTION_RANGE',
    `--pooling is '${asked}', expected one of ${known.join(', ')} for --protocol ${protocol}.`,
    { argument: '--pooling' },
  );
}
