import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { fileError } from './data-error.js';

const IMAGE_NAME = /\.(jpe?g|png|webp|pgm|ppm)$/i;

/** Whether a file's name is that of an image that may be taken; what it holds is decided by its bytes. */
export function isImageName(name: string): boolean {
  return IMAGE_NAME.test(name);
}

/** What a folder has, but for hidden files, sorted by code units: in one order on every machine. */
export async function listFolder(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw fileError(folder, cause);
  });
  return entries.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1));
}
