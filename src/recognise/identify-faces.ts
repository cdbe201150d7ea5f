import type { Photo } from '../data/photo-set.js';
import type { FaceModel } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';
import { topKAsync } from '../native/top-k.js';
import { type DecisionThreshold, isAccepted, thresholdOf } from './decision.js';
import { embedPhotos, type PhotoOptions } from './embed-photos.js';
import { checkGallery, type Gallery } from './gallery.js';

export interface IdentifyOptions extends PhotoOptions {
  /** How many people for each photo. Default 5. */
  top?: number | undefined;
  /** Default: the model's own. */
  threshold?: number | undefined;
}

export interface Match {
  identity: string;
  /** The nearest of that person's images. */
  image: string;
  /** Its cosine. */
  score: number;
  /** Whether it is taken for the same person; `null` where there is no threshold. */
  accepted: boolean | null;
}

export interface IdentifiedFace {
  /** People by falling score, each once, by the nearest of their images. */
  matches: Match[];
  threshold: DecisionThreshold | null;
}

/**
 * Finds whom of a gallery each photo shows, if anyone: the first match may be taken where it is `accepted`.
 *
 * The threshold's false accept rate is one comparison's: with n people in the gallery, a stranger is taken for one of
 * them up to about n times as often.
 *
 * @throws {CosFaceError} COSFACE_IMAGE or COSFACE_FILE for a photo that cannot be used; COSFACE_OPTION_RANGE;
 * COSFACE_SHAPE for a gallery of another model.
 * @example const [{ matches }] = await identifyFaces(model, gallery, ['visitor.jpg'], { top: 3 });
 */
export async function identifyFaces(
  model: FaceModel,
  gallery: Gallery,
  photos: readonly Photo[],
  options: IdentifyOptions = {},
): Promise<IdentifiedFace[]> {
  const { top = 5 } = options;
  if (!Number.isSafeInteger(top) || top < 1)
    throw new CosFaceError('COSFACE_OPTION_RANGE', `top is ${top}, expected a whole number of at least 1.`, {
      argument: 'top',
    });
  const threshold = thresholdOf(model, options.threshold);
  checkGallery(model, gallery);
  if (photos.length === 0) return [];
  const features = await embedPhotos(model, photos, options);
  const people = await nearestPeople(gallery, features, top);
  return people.map((rows) => ({
    threshold,
    matches: rows.map(({ row, score }) => ({
      identity: gallery.identities[row] as string,
      image: gallery.names[row] as string,
      score,
      accepted: isAccepted(score, threshold),
    })),
  }));
}

interface Nearest {
  row: number;
  score: number;
}

/** For each query the nearest image of each of the nearest people. */
async function nearestPeople(gallery: Gallery, queries: Float32Array, top: number): Promise<Nearest[][]> {
  const { features, size: dim, names, identities } = gallery;
  const wanted = Math.min(top, new Set(identities).size);
  // A person with many images takes many places: ask for more until there are enough people.
  for (let k = Math.min(names.length, 4 * wanted); ; k = Math.min(names.length, 4 * k)) {
    const { indices, scores } = await topKAsync({ queries, gallery: features, dim, k });
    const found = Array.from({ length: queries.length / dim }, (_, query) => {
      const people = new Map<string, Nearest>();
      for (let at = query * k; at < (query + 1) * k && people.size < wanted; at++) {
        const row = indices[at] as number;
        const identity = identities[row] as string;
        if (!people.has(identity)) people.set(identity, { row, score: scores[at] as number });
      }
      return [...people.values()];
    });
    if (k === names.length || found.every(({ length }) => length === wanted)) return found;
  }
}
