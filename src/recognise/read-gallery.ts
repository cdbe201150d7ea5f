import { dataError } from '../data/data-error.js';
import { readFeatureList } from '../data/feature-list.js';
import { readNpy } from '../data/read-npy.js';
import type { Gallery } from './gallery.js';

/**
 * A gallery from the files that `embedToFiles` writes. Where the list has no identities, an image's is its folder.
 *
 * @throws {CosFaceError} COSFACE_FILE, COSFACE_DATA, COSFACE_DUPLICATE_NAME, COSFACE_NOT_FINITE.
 * @example const gallery = readGallery('staff.npy', 'staff.txt');
 */
export function readGallery(features: string, list: string): Gallery {
  const { values, rows, dim } = readNpy({ file: features, argument: 'gallery' });
  const { names, labels } = readFeatureList({ file: list, argument: 'gallery list' });
  if (names.length !== rows)
    throw dataError('COSFACE_DATA', list, `has ${names.length} names, but ${features} has ${rows} rows.`);
  const folderOf = (name: string) => name.split('/').slice(0, -1).join('/') || '.';
  return { features: values, size: dim, names, identities: labels ?? names.map(folderOf) };
}
