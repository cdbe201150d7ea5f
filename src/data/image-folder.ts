import { join } from 'node:path';
import { checkPath } from './check-path.js';
import type { FaceSet } from './face-set.js';
import { fileFaceSet, type NamedIdentity } from './file-face-set.js';
import { isImageName, listFolder } from './list-folder.js';
import { Root } from './path-inside.js';

/** Levels of folders that are looked into. */
const DEEPEST = 32;

/**
 * All images of a folder and of the folders in it, at any depth: `root/a.jpg`, `root/Ann/3/7.jpg`. An image's identity is
 * the folder that it lies in, as a path below the root (`.` for the root itself). Names sort by their code units, a
 * folder's images before its folders, 32 levels deep. Links to files may lead anywhere within the root; links to folders are not
 * followed, and counted in `notes` with everything else that is no image.
 *
 * @throws {CosFaceError} COSFACE_FILE: there is no such folder; COSFACE_DATA: no image is in it.
 * @example const faces = await openImageFolder('photos');
 */
export async function openImageFolder(folder: string): Promise<FaceSet> {
  checkPath(folder, 'a folder of images');
  const root = await Root.open(folder);
  const identities: NamedIdentity[] = [];
  let passedOver = 0;
  /** Folders yet to be listed, as paths below the root; the last is the next. */
  const waiting = [''];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const below = path === '' ? '' : `${path}/`;
    const entries = await listFolder(join(folder, path));
    const folders = entries.filter((entry) => entry.isDirectory());
    const images = entries.filter((entry) => isImageName(entry.name) && (entry.isFile() || entry.isSymbolicLink()));
    passedOver += entries.length - folders.length - images.length;
    if (images.length > 0) identities.push({ name: path || '.', paths: images.map(({ name }) => below + name) });
    const deeper = below.split('/').length <= DEEPEST ? folders : [];
    passedOver += folders.length - deeper.length;
    waiting.push(...deeper.map(({ name }) => below + name).reverse());
  }
  const notes = passedOver > 0 ? [`${passedOver} files that are no images were passed over.`] : [];
  return fileFaceSet(root, identities, { place: folder, notes });
}
