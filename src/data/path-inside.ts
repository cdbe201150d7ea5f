import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { type DataPlace, dataError, fileError } from './data-error.js';

/**
 * A path from a list, made plain: `/` between parts, no `.` parts.
 *
 * @throws {CosFaceError} COSFACE_PATH if it is absolute, leads out of its root by `..`, or no file can bear it.
 */
export function plainPath(listed: string, place: DataPlace): string {
  const refuse = (what: string) =>
    dataError('COSFACE_PATH', place, `path ${JSON.stringify(listed)} ${what}. Give it relative to the root.`);
  if (listed === '' || listed.includes('\0')) throw refuse('names no file');
  if (isAbsolute(listed) || /^[\\/]|^[A-Za-z]:/.test(listed)) throw refuse('is absolute');
  const parts = listed.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refuse('leads upwards');
  if (parts.length === 0) throw refuse('names no file');
  return parts.join('/');
}

/** Finds files below a folder and never outside it, wherever links lead. */
export class Root {
  readonly folder: string;
  readonly #real: string;

  private constructor(folder: string, real: string) {
    this.folder = folder;
    this.#real = real;
  }

  static async open(folder: string): Promise<Root> {
    try {
      return new Root(folder, await realpath(folder));
    } catch (cause) {
      throw fileError(folder, cause);
    }
  }

  /**
   * The true path of a file or folder below the root, links followed.
   *
   * @throws {CosFaceError} COSFACE_PATH if it lies outside; COSFACE_FILE if it is not there.
   */
  async resolve(path: string): Promise<string> {
    const plain = plainPath(path, this.folder);
    const place = join(this.folder, plain);
    let real: string;
    try {
      real = await realpath(join(this.#real, plain));
    } catch (cause) {
      throw fileError(place, cause);
    }
    const way = relative(this.#real, real);
    if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
      throw dataError('COSFACE_PATH', place, `it is a link out of ${this.folder}. Move or copy the file into it.`);
    }
    return real;
  }
}
