import { CosFaceError } from '../native/errors.js';

/** What kind of thing in the data is not as it should be; each is the code of an error. */
export type DataErrorCode =
  /** A folder, list or set as a whole. */
  | 'COSFACE_DATA'
  /** One image: its bytes, size or format. */
  | 'COSFACE_IMAGE'
  /** A line of a text list. */
  | 'COSFACE_LIST'
  /** A path in a list or folder that leads out of its root. */
  | 'COSFACE_PATH'
  /** A pickle: cut off, or with an instruction that is not read. */
  | 'COSFACE_PICKLE'
  /** A record of a .rec file, or its index. */
  | 'COSFACE_RECORD';

/** Something in the data that cannot be used. `place` is a file, with its line or byte where known. */
export function dataError(code: DataErrorCode, place: string, what: string, cause?: unknown): CosFaceError {
  return new CosFaceError(code, `${place}: ${what}`, cause === undefined ? {} : { cause });
}

/** Turns the failure of a file operation into an error of ours that names the file. */
export function fileError(code: DataErrorCode, path: string, cause: unknown): CosFaceError {
  const { code: reason, message } = cause as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOENT: 'there is no such file or folder. Check the path.',
    EACCES: 'it may not be read. Check its permissions.',
    EISDIR: 'it is a folder, expected a file.',
    ENOTDIR: 'it is a file, expected a folder.',
    ENOSPC: 'the disk is full. Make room and run it again.',
    ELOOP: 'its links lead in a circle.',
    ENAMETOOLONG: 'its name is too long for the file system.',
  };
  return dataError(code, path, known[reason ?? ''] ?? message, cause);
}
