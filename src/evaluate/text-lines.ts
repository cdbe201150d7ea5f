import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { dataError, type FilePlace, fileError } from './data-error.js';

export interface TextLine {
  /** Without its end. */
  text: string;
  /** Counted from 1. */
  number: number;
}

const PIECE_BYTES = 1 << 20;
/** A path has at most 4,096 bytes; a line beyond this is a file of another kind. */
const LONGEST_LINE = 1 << 16;

/**
 * The lines of a UTF-8 text, one at a time: a list of 16 million pairs is read in 1 MiB of memory. Line ends are \n or
 * \r\n, the last may be missing; a byte order mark is dropped.
 *
 * @throws {CosFaceError} COSFACE_FILE if it cannot be read, COSFACE_DATA if it is no text.
 */
export function* textLines(place: FilePlace): Generator<TextLine> {
  const decoder = new StringDecoder('utf8');
  let number = 0;
  let rest = '';
  for (const piece of pieces(place)) {
    const lines = (rest + decoder.write(piece)).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) yield cleanLine(place, line, ++number);
    if (rest.length > LONGEST_LINE) cleanLine(place, rest, number + 1);
  }
  rest += decoder.end();
  if (rest !== '') yield cleanLine(place, rest, number + 1);
}

function cleanLine({ file, argument }: FilePlace, raw: string, number: number): TextLine {
  const problem = raw.length > LONGEST_LINE ? `is longer than ${LONGEST_LINE} characters` : 'has a zero byte';
  if (raw.length > LONGEST_LINE || raw.includes('\0'))
    throw dataError(
      'COSFACE_DATA',
      { file, line: number, argument },
      `the line ${problem}, so this is no text. Give ${argument ?? 'it'} a text file.`,
    );
  const text = number === 1 && raw.startsWith('\ufeff') ? raw.slice(1) : raw;
  return { text: text.endsWith('\r') ? text.slice(0, -1) : text, number };
}

function* pieces(place: FilePlace): Generator<Buffer> {
  let descriptor: number;
  try {
    descriptor = openSync(place.file, 'r');
  } catch (cause) {
    throw fileError(place, cause);
  }
  try {
    for (;;) {
      // A new one each time: the decoder may still hold the end of the last.
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const length = readPiece(descriptor, piece, place);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

function readPiece(descriptor: number, piece: Buffer, place: FilePlace): number {
  try {
    return readSync(descriptor, piece);
  } catch (cause) {
    throw fileError(place, cause);
  }
}
