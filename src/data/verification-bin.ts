import { checkPath } from './check-path.js';
import { dataError } from './data-error.js';
import { type PickleValue, parsePickle } from './pickle.js';
import { readWholeFile } from './read-whole-file.js';

/** Bytes of the largest .bin that is read; InsightFace's are 50 to 100 MB. */
const LARGEST_BIN: number = 2 ** 31 - 1;

/** Pairs of images, and whether each is of one person. */
export interface VerificationSet {
  /** Encoded, [2N]; pair i is images 2i and 2i + 1. */
  images: Uint8Array[];
  /** [N] */
  same: boolean[];
}

/**
 * Reads an InsightFace verification set (lfw.bin, cfp_fp.bin, agedb_30.bin): a pickle of (images, same). It is parsed
 * and never executed.
 *
 * @throws {CosFaceError} COSFACE_PICKLE: cut off, not of that form, or with instructions that are not read.
 * @example const { images, same } = await readVerificationBin('lfw.bin');
 */
export async function readVerificationBin(path: string): Promise<VerificationSet> {
  checkPath(path, "InsightFace's verification set");
  return asPairs(parsePickle(await readWholeFile(path, LARGEST_BIN, 'COSFACE_PICKLE'), path), path);
}

function asPairs(value: PickleValue, path: string): VerificationSet {
  const refuse = (what: string) =>
    dataError(
      'COSFACE_PICKLE',
      path,
      `${what}. A verification set is (list of 2N encoded images, list of N booleans).`,
    );
  const [images, same] = Array.isArray(value) && value.length === 2 ? value : [];
  if (!Array.isArray(images) || !Array.isArray(same)) throw refuse('it is no pair of lists');
  const strange = images.findIndex((image) => !(image instanceof Uint8Array));
  if (strange >= 0) throw refuse(`images[${strange}] is not bytes`);
  const unclear = same.findIndex((flag) => ![true, false, 0, 1].includes(flag as boolean));
  if (unclear >= 0) throw refuse(`same[${unclear}] is not a boolean`);
  if (same.length === 0 || images.length !== 2 * same.length) {
    throw refuse(`it has ${images.length} images for ${same.length} pairs`);
  }
  return { images: images as Uint8Array[], same: same.map(Boolean) };
}
