import { open } from 'node:fs/promises';
import { type DataErrorCode, dataError, fileError } from './data-error.js';

/**
 * The bytes of a file that is known to be small enough for memory.
 *
 * @param most - bytes; a larger file is refused before anything is allocated.
 * @throws {CosFaceError} `code`: it is no file, too large, empty, or changed while it was read.
 */
export async function readWholeFile(path: string, most: number, code: DataErrorCode): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((cause) => {
    throw fileError(path, cause);
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw dataError(code, path, 'it is not a file.');
    if (status.size === 0) throw dataError(code, path, 'it is empty.');
    if (status.size > most) {
      throw dataError(code, path, `it has ${status.size} bytes, expected at most ${most}.`);
    }
    const bytes = new Uint8Array(status.size);
    const { bytesRead } = await file.read(bytes, 0, status.size, 0);
    if (bytesRead < status.size) {
      throw dataError(code, path, `only ${bytesRead} of its ${status.size} bytes could be read: is it being written?`);
    }
    return bytes;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw fileError(path, cause);
  } finally {
    await file.close();
  }
}
