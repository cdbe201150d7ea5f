import type { Dirent } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPath } from './check-path.js';
import type { FaceSet } from './face-set.js';
import { fileFaceSet, type NamedIdentity, noteLikeNames, withEnoughImages } from './file-face-set.js';
import { isImageName, listFolder } from './list-folder.js';
import { Root } from './path-inside.js';

export interface IdentityFolderOptions {
  /** Identities with fewer images are left out. Default 1. */
  minimumImages?: number;
}

/**
 * One folder an identity, images in it: `root/Name/any.jpg`. Names sort by their code units, on every machine alike;
 * hidden files and files of other kinds are passed over, and counted in `notes`.
 *
 * @throws {CosFaceError} COSFACE_FILE: there is no such folder; COSFACE_DATA: no image is in it; COSFACE_PATH: a link
 * leads out of it.
 * @example const faces = await openIdentityFolders('photos', { minimumImages: 3 });
 */
export async function openIdentityFolders(folder: string, options: IdentityFolderOptions = {}): Promise<FaceSet> {
  checkPath(folder, 'a folder of identity folders');
  const { minimumImages = 1 } = options;
  const root = await Root.open(folder);
  const notes: string[] = [];
  let passedOver = 0;
  const identities: NamedIdentity[] = [];
  for (const entry of await listFolder(folder)) {
    if (!(await isFolder(root, entry, entry.name))) {
      passedOver++;
      continue;
    }
    const paths: string[] = [];
    for (const image of await listFolder(join(folder, entry.name))) {
      if (isImageName(image.name) && !image.isDirectory()) paths.push(`${entry.name}/${image.name}`);
      else passedOver++;
    }
    identities.push({ name: entry.name, paths });
  }
  if (passedOver > 0) notes.push(`${passedOver} files that are no images of an identity were passed over.`);
  noteLikeNames(identities, notes);
  const kept = withEnoughImages(identities, Math.max(1, minimumImages), notes);
  return fileFaceSet(root, kept, { place: folder, notes });
}

async function isFolder(root: Root, entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return (await stat(await root.resolve(path))).isDirectory();
}
