import { stat } from 'node:fs/promises';
import { checkPath } from './check-path.js';
import { fileError } from './data-error.js';
import type { FaceSet } from './face-set.js';
import { openIdentityFolders } from './identity-folders.js';
import { openListFile } from './list-file.js';
import { openRecordSet } from './record-set.js';

export interface OpenFacesOptions {
  /** For a list: the folder that its paths are relative to. Default: the list's own. */
  root?: string;
  /** For folders and lists: identities with fewer images are left out. Default 1. */
  minimumImages?: number;
}

/**
 * Opens labelled images in whichever form they are: a folder of identity folders, an InsightFace .rec file, or a list.
 *
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a path that is no string; what the opener of that form throws.
 * @example const faces = await openFaces('faces_webface_112x112/train.rec');
 */
export async function openFaces(path: string, options: OpenFacesOptions = {}): Promise<FaceSet> {
  checkPath(path, 'a folder of identity folders, a list or a .rec file');
  const status = await stat(path).catch((cause) => {
    throw fileError(path, cause);
  });
  if (status.isDirectory()) return openIdentityFolders(path, options);
  if (/\.rec$/i.test(path)) return openRecordSet(path);
  return openListFile(path, options);
}
