import type { FaceSet } from './face-set.js';
import type { PairList } from './pair-list.js';
import { readVerificationBin } from './verification-bin.js';

/** Images, of whose identities no more is known than which pairs are of one. */
export interface VerificationFaces {
  faces: FaceSet;
  /** Pair i is images 2i and 2i + 1. */
  pairs: PairList;
}

/** Whether a file is such a set, by its name. */
export function isVerificationBin(path: string): boolean {
  return /\.bin$/i.test(path);
}

/**
 * Opens an InsightFace verification set (lfw.bin, cfp_fp.bin, agedb_30.bin) as a set of images and its pairs.
 *
 * @throws {CosFaceError} What `readVerificationBin` throws.
 * @example
 * const { faces, pairs } = await openVerificationFaces('lfw.bin');
 * const { accuracy } = await evaluateModel({ protocol: 'lfw', model, images: faces, pairs });
 */
export async function openVerificationFaces(path: string): Promise<VerificationFaces> {
  const { images, same } = await readVerificationBin(path);
  const nameOf = (index: number) => `${path}, image ${index}`;
  const faces: FaceSet = {
    size: images.length,
    identities: [path],
    labels: new Int32Array(images.length),
    notes: [],
    nameOf,
    read: async (index) => images[index] as Uint8Array,
    close: async () => {},
  };
  const pairs = same.map((kind, pair) => ({ left: nameOf(2 * pair), right: nameOf(2 * pair + 1), same: kind }));
  return { faces, pairs: { source: path, pairs } };
}
