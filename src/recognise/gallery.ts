import type { FaceSet } from '../data/face-set.js';
import type { FaceModel } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';
import { type EmbedFacesOptions, embeddedSize, embedFaces } from './embed-faces.js';
import { joinRows } from './embed-photos.js';

/** The people that can be recognised: features of their images. */
export interface Gallery {
  /** Row-major [G, size]. */
  features: Float32Array;
  size: number;
  /** The image of each row. */
  names: string[];
  /** Whom each row shows. */
  identities: string[];
}

/**
 * Embeds the images of people, such as `openIdentityFolders` finds them: one folder a person.
 *
 * @throws {CosFaceError} What `embedFaces` throws; COSFACE_DATA where no image can be used.
 * @example const gallery = await embedGallery(model, await openIdentityFolders('staff'));
 */
export async function embedGallery(
  model: FaceModel,
  faces: FaceSet,
  options: Pick<EmbedFacesOptions, 'batchSize' | 'badFiles' | 'threads'> & { onProgress?: (done: number) => void } = {},
): Promise<Gallery> {
  const rows: Float32Array[] = [];
  const places: number[] = [];
  for await (const { features, indices, next } of embedFaces(model, faces, options)) {
    rows.push(features);
    places.push(...indices);
    options.onProgress?.(next);
  }
  return checkGallery(model, {
    features: joinRows(rows),
    size: embeddedSize(model),
    names: places.map((at) => faces.nameOf(at)),
    identities: places.map((at) => faces.identities[faces.labels[at] as number] as string),
  });
}

/**
 * @throws {CosFaceError} COSFACE_SHAPE unless a gallery has features, of the model's size.
 */
export function checkGallery(model: FaceModel, gallery: Gallery): Gallery {
  const { features, size, names, identities } = gallery;
  const wanted = embeddedSize(model);
  const refuse = (text: string) => new CosFaceError('COSFACE_SHAPE', text, { argument: 'gallery' });
  if (names.length === 0) throw refuse('the gallery is empty, expected at least one image that can be used.');
  if (size !== wanted)
    throw refuse(`the gallery has ${size} features an image, the model makes ${wanted}. Embed it with this model.`);
  if (features.length !== names.length * size || identities.length !== names.length)
    throw refuse(
      `the gallery has ${features.length} values and ${identities.length} identities for ${names.length} images.`,
    );
  return gallery;
}
