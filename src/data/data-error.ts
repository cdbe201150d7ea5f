import { CosFaceError } from '../native/errors.js';

/** What kind of thing in the data is not as it should be; each is the code of an error. */
export type DataErrorCode =
  /** The system would not open or read a file or folder. */
  | 'COSFACE_FILE'
  /** A folder, file or set as a whole. */
  | 'COSFACE_DATA'
  /** A name that comes twice, or that may mean two things. */
  | 'COSFACE_DUPLICATE_NAME'
  /** One image: its bytes, size or format. */
  | 'COSFACE_IMAGE'
  /** A line of a text list. */
  | 'COSFACE_LIST'
  /** Something that is asked for has no features. */
  | 'COSFACE_MISSING_FEATURE'
  /** NaN or an infinity. */
  | 'COSFACE_NOT_FINITE'
  /** A path in a list or folder that leads out of its root. */
  | 'COSFACE_PATH'
  /** A pickle: cut off, or with an instruction that is not read. */
  | 'COSFACE_PICKLE'
  /** A record of a .rec file, or its index. */
  | 'COSFACE_RECORD';

/** Where in a file something is wrong. */
export interface FilePlace {
  file: string;
  /** Counted from 1. */
  line?: number | undefined;
  /** The option or argument that named the file. */
  argument?: string | undefined;
}

/** A place in a file; or a place in words, such as a path or a path with a key. */
export type DataPlace = string | FilePlace;

/** Something in the data that cannot be used: `file:line: what came and what was expected. What to do.` */
export function dataError(code: DataErrorCode, place: DataPlace, what: string, cause?: unknown): CosFaceError {
  const argument = typeof place === 'string' ? undefined : place.argument;
  return new CosFaceError(code, `${spellPlace(place)}: ${what}`, { argument, cause });
}

/** What the system said when a file could not be opened or read, as a COSFACE_FILE that names the file. */
export function fileError(place: DataPlace, cause: unknown): CosFaceError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOENT: 'there is no such file or folder. Check the path',
    EACCES: 'it may not be read by this user. Check its permissions',
    EPERM: 'it may not be read by this user. Check its permissions',
    EISDIR: 'it is a folder, expected a file. Check the path',
    ENOTDIR: 'it is a file, expected a folder. Check the path',
    ELOOP: 'its links lead in a circle',
    ENAMETOOLONG: 'its name is too long for the file system',
  };
  const given = typeof place !== 'string' && place.argument ? ` (${place.argument})` : '';
  return dataError('COSFACE_FILE', place, `${known[code ?? ''] ?? message}${given}.`, cause);
}

function spellPlace(place: DataPlace): string {
  if (typeof place === 'string') return place;
  return place.line === undefined ? place.file : `${place.file}:${place.line}`;
}
