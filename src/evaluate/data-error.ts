import { CosFaceError } from '../native/errors.js';

/** Where in a file something is wrong. */
export interface FilePlace {
  file: string;
  /** Counted from 1. */
  line?: number | undefined;
  /** The option or argument that named the file. */
  argument?: string | undefined;
}

export type DataErrorCode =
  | 'COSFACE_FILE'
  | 'COSFACE_DATA'
  | 'COSFACE_DUPLICATE_NAME'
  | 'COSFACE_MISSING_FEATURE'
  | 'COSFACE_NOT_FINITE';

/** The words of every error about a file: `file:line: what came and what was expected. What to do.` */
export function dataError(code: DataErrorCode, place: FilePlace, text: string, cause?: unknown): CosFaceError {
  const { file, line, argument } = place;
  return new CosFaceError(code, `${line === undefined ? file : `${file}:${line}`}: ${text}`, { argument, cause });
}

/** What the system said when a file could not be opened or read. */
export function fileError(place: FilePlace, cause: unknown): CosFaceError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    EISDIR: 'is a folder, expected a file',
    EACCES: 'may not be read by this user',
  };
  const reason = reasons[code ?? ''] ?? message;
  return dataError(
    'COSFACE_FILE',
    place,
    `${reason}. Give ${place.argument ?? 'it'} the path of a readable file.`,
    cause,
  );
}
