import { dataError, type FilePlace } from '../data/data-error.js';
import { readFeatureList } from '../data/feature-list.js';
import { type FeatureRows, featureRows } from './feature-rows.js';
import { readTemplateList } from './ijb-templates.js';
import { videoOf } from './pool-videos.js';
import type { EvaluateRequest } from './request.js';
import { listPlace, pairsPlace } from './request-files.js';
import { requestPairs } from './request-pairs.js';
import { readYtfPairs } from './ytf-pairs.js';

/** Images that an evaluation is about. */
export interface NeededImages {
  /** Their places among the images that there are, [N], each once. */
  places: number[];
  /** What the protocol's lists call them, [N]. */
  names: string[];
  labels?: string[] | undefined;
}

/**
 * Which of the images at hand an evaluation needs, so that no other is embedded: those of `--list`, else those that the
 * protocol's lists name; for megaface all, because what is no probe is a distractor.
 *
 * @param available - The images' names.
 * @param root - Where they lie, for messages.
 * @throws {CosFaceError} COSFACE_MISSING_FEATURE with file and line: an image is not there, and `missing` is `error`.
 */
export function neededImages(request: EvaluateRequest, available: readonly string[], root: string): NeededImages {
  const { protocol, list } = request;
  if (protocol === 'ijb') return ofTemplates(request, new Finder(available, root, 'error'));
  const finder = new Finder(available, root, request.missing);
  if (list !== undefined) return ofList(request, finder);
  if (protocol === 'megaface') return named(Array.from(available.keys()), available);
  if (protocol === 'ytf') return ofVideos(request, available, root);
  const listed = requestPairs(request);
  const places = new Set<number>();
  for (const { left, right, line } of listed.pairs)
    for (const name of [left, right]) {
      const place = finder.find(name, { ...listed.place, line });
      if (place >= 0) places.add(place);
    }
  return named(
    [...places].sort((a, b) => a - b),
    available,
  );
}

class Finder {
  readonly #rows: FeatureRows;
  readonly #root: string;
  readonly #missing: EvaluateRequest['missing'];

  constructor(available: readonly string[], root: string, missing: EvaluateRequest['missing']) {
    this.#rows = featureRows(available);
    this.#root = root;
    this.#missing = missing;
  }

  /** -1 where the image is not there and may be missing. */
  find(name: string, place: FilePlace): number {
    const found = this.#rows.find(name, place);
    if (found >= 0 || this.#missing === 'skip') return found;
    throw missingImage(`'${name}'`, this.#root, place);
  }
}

function missingImage(what: string, root: string, place: FilePlace): Error {
  const text = `there is no image ${what} in ${root}. Add it, or leave such pairs out with --missing skip.`;
  return dataError('COSFACE_MISSING_FEATURE', place, text);
}

function named(places: number[], available: readonly string[]): NeededImages {
  return { places, names: places.map((place) => available[place] as string) };
}

function ofList(request: EvaluateRequest, finder: Finder): NeededImages {
  const place = listPlace(request);
  const { names, labels } = readFeatureList(place);
  const rows = names.map((name, row) => finder.find(name, { ...place, line: row + 1 }));
  const kept = (_: unknown, row: number) => (rows[row] as number) >= 0;
  return { places: rows.filter(kept), names: names.filter(kept), labels: labels?.filter(kept) };
}

/** Here the list is that of the templates; names of images and lines go by its order. */
function ofTemplates(request: EvaluateRequest, finder: Finder): NeededImages {
  const place = request.templates === undefined ? listPlace(request) : { file: request.templates };
  const names = [...new Set(readTemplateList(place).names)];
  return { places: names.map((name) => finder.find(name, place)), names };
}

/** All frames of the videos that a pair names. */
function ofVideos(request: EvaluateRequest, available: readonly string[], root: string): NeededImages {
  const place = pairsPlace(request);
  const there = new Set(available.map(videoOf));
  const videos = new Set<string>();
  for (const { left, right, line } of readYtfPairs(place))
    for (const video of [left, right]) {
      if (!there.has(video) && request.missing === 'error')
        throw missingImage(`of the video '${video}'`, root, { ...place, line });
      videos.add(video);
    }
  const places = Array.from(available.keys()).filter((place) => videos.has(videoOf(available[place] as string)));
  return named(places, available);
}
