import type { FaceSet } from './face-set.js';
import { LARGEST_IMAGE_FILE } from './file-face-set.js';
import { readWholeFile } from './read-whole-file.js';

/** A photo: the path of its file, or its encoded bytes. */
export type Photo = string | Uint8Array;

/** Photos by themselves, of nobody known. */
export function photoSet(photos: readonly Photo[]): FaceSet {
  const nameOf = (index: number): string => {
    const photo = photos[index];
    return typeof photo === 'string' ? photo : `photo ${index + 1}`;
  };
  return {
    size: photos.length,
    identities: ['unknown'],
    labels: new Int32Array(photos.length),
    notes: [],
    nameOf,
    read: async (index) => {
      const photo = photos[index] as Photo;
      return typeof photo === 'string' ? readWholeFile(photo, LARGEST_IMAGE_FILE, 'COSFACE_IMAGE') : photo;
    },
    close: async () => {},
  };
}
