import { stat } from 'node:fs/promises';
import { fileError } from '../data/data-error.js';
import type { FaceSet } from '../data/face-set.js';
import { openImageFolder } from '../data/image-folder.js';
import { openFaces } from '../data/open-faces.js';

/** Images in whichever form: a folder at any depth, a list, or a .rec file. */
export async function openImages(path: string, root?: string): Promise<FaceSet> {
  const status = await stat(path).catch((cause) => {
    throw fileError(path, cause);
  });
  return status.isDirectory() ? openImageFolder(path) : openFaces(path, root === undefined ? {} : { root });
}
