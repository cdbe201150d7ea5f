import { createReadStream } from 'node:fs';
import { type DataErrorCode, dataError, fileError } from './data-error.js';

/** Characters of the longest line that is read: a file without line ends must not fill the memory. */
const LONGEST_LINE = 65_536;

export interface TextLine {
  text: string;
  /** Counts from 1. */
  number: number;
  /** `file:line`, for messages. */
  place: string;
}

/**
 * The lines of a UTF-8 file that say something: blank ones and comments (`#`) are passed over, as are a byte order
 * mark, carriage returns and a missing last line end. Holds one chunk of the file at a time.
 *
 * @throws {CosFaceError} `code`: the file cannot be read, a line is longer than 65,536 characters, or has a NUL.
 */
export async function* textLines(path: string, code: DataErrorCode = 'COSFACE_LIST'): AsyncGenerator<TextLine> {
  let number = 0;
  const lineOf = (raw: string): TextLine | undefined => {
    number++;
    const text = (number === 1 ? raw.replace(/^\uFEFF/, '') : raw).replace(/\r$/, '');
    if (text.includes('\0')) throw dataError(code, `${path}:${number}`, 'it has a NUL character: is this a text file?');
    return text.trim() === '' || text.startsWith('#') ? undefined : { text, number, place: `${path}:${number}` };
  };
  let rest = '';
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
      const pieces = (rest + chunk).split('\n');
      rest = pieces.pop() as string;
      for (const piece of pieces) {
        const line = lineOf(piece);
        if (line) yield line;
      }
      if (rest.length > LONGEST_LINE) {
        throw dataError(code, `${path}:${number + 1}`, `the line is longer than ${LONGEST_LINE} characters.`);
      }
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause;
    throw fileError(code, path, cause);
  }
  const last = rest === '' ? undefined : lineOf(rest);
  if (last) yield last;
}
