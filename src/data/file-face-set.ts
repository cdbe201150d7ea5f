import { dataError } from './data-error.js';
import type { FaceSet } from './face-set.js';
import type { Root } from './path-inside.js';
import { readWholeFile } from './read-whole-file.js';

/** Bytes of the largest image file that is read: a photo of 100 megapixels has about half as many. */
export const LARGEST_IMAGE_FILE: number = 128 * 2 ** 20;

/** The images of an identity, as paths below a root. */
export interface NamedIdentity {
  name: string;
  paths: string[];
}

/**
 * A set of image files below a root: the identities in the given order, images in the order of their identities.
 *
 * @param place - the folder or list that says so, for messages.
 */
export function fileFaceSet(
  root: Root,
  identities: readonly NamedIdentity[],
  { place, notes }: { place: string; notes: readonly string[] },
): FaceSet {
  const paths = identities.flatMap((identity) => identity.paths);
  if (paths.length === 0) {
    throw dataError('COSFACE_DATA', place, ['it has no images.', ...notes].join(' '));
  }
  const labels = new Int32Array(paths.length);
  let at = 0;
  identities.forEach((identity, label) => {
    labels.fill(label, at, at + identity.paths.length);
    at += identity.paths.length;
  });
  const nameOf = (index: number): string => {
    const path = paths[index];
    if (path === undefined) throw dataError('COSFACE_DATA', place, `it has no image ${index}, but ${paths.length}.`);
    return path;
  };
  return {
    size: paths.length,
    identities: identities.map(({ name }) => name),
    labels,
    notes,
    nameOf,
    read: async (index) => readWholeFile(await root.resolve(nameOf(index)), LARGEST_IMAGE_FILE, 'COSFACE_IMAGE'),
    close: async () => {},
  };
}

/** Leaves out identities with too few images, and says so in `notes`. */
export function withEnoughImages(
  identities: readonly NamedIdentity[],
  least: number,
  notes: string[],
): NamedIdentity[] {
  const kept = identities.filter(({ paths }) => paths.length >= least);
  const left = identities.length - kept.length;
  if (left > 0) notes.push(`${left} of ${identities.length} identities have fewer than ${least} images: left out.`);
  return kept;
}

/** Says in `notes` which names differ only by case, accents' encoding or blanks: often one person twice. */
export function noteLikeNames(identities: readonly NamedIdentity[], notes: string[]): void {
  const seen = new Map<string, string>();
  for (const { name } of identities) {
    const key = name
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[\s_]+/g, '_');
    const other = seen.get(key);
    if (other === undefined) seen.set(key, name);
    else notes.push(`identities ${JSON.stringify(other)} and ${JSON.stringify(name)} look like one person twice.`);
  }
}
