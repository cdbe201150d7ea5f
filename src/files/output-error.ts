import { CosFaceError } from '../native/errors.js';

/** Turns the failure to write a file or folder into an error that names it and says what to do. */
export function outputError(path: string, cause: unknown): CosFaceError {
  // Said already, by who came nearer to it.
  if (cause instanceof CosFaceError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOSPC: 'the disk is full. Make room and run it again',
    EDQUOT: 'the quota of the disk is used up. Make room and run it again',
    EACCES: 'it may not be written. Check its permissions, or choose another place',
    EROFS: 'the disk is read-only. Choose another place',
    EEXIST: 'a part of its path is a file. Choose another place',
    ENOTDIR: 'a part of its path is a file. Choose another place',
    EISDIR: 'it is a folder, expected a file',
    EFBIG: 'it is larger than files may be here. Choose another place',
  };
  return new CosFaceError('COSFACE_OUTPUT', `${path} could not be written: ${reasons[code ?? ''] ?? message}.`, {
    cause,
  });
}
