import { closeSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { type DataErrorCode, dataError, type FilePlace, fileError } from './data-error.js';
import { openFile } from './open-file.js';

export interface TextLine {
  /** Without its end. */
  text: string;
  /** Counted from 1. */
  number: number;
  /** For messages. */
  place: FilePlace;
}

const PIECE_BYTES = 1 << 20;
/** A path has at most 4,096 bytes; a line beyond this is a file of another kind. */
const LONGEST_LINE = 1 << 16;

/**
 * The lines of a UTF-8 text, one at a time: a list of 16 million pairs is read in 1 MiB of memory. Line ends are \n or
 * \r\n, the last may be missing; a byte order mark is dropped.
 *
 * @throws {CosFaceError} COSFACE_FILE if it cannot be read; `code` if it is no text.
 */
export function* textLines(file: FilePlace, code: DataErrorCode = 'COSFACE_DATA'): Generator<TextLine> {
  const decoder = new StringDecoder('utf8');
  let number = 0;
  let rest = '';
  const next = (raw: string) => cleanLine(raw, { ...file, line: ++number }, code);
  for (const piece of pieces(file)) {
    const lines = (rest + decoder.write(piece)).split('\n');
    rest = lines.pop() as string;
    for (const line of lines) yield next(line);
    if (rest.length > LONGEST_LINE) next(rest);
  }
  rest += decoder.end();
  if (rest !== '') yield next(rest);
}

/** The lines that say something: blank ones and comments (`#`) are passed over. */
export function* contentLines(file: FilePlace, code: DataErrorCode = 'COSFACE_LIST'): Generator<TextLine> {
  for (const line of textLines(file, code)) if (line.text.trim() !== '' && !line.text.startsWith('#')) yield line;
}

function cleanLine(raw: string, place: FilePlace & { line: number }, code: DataErrorCode): TextLine {
  const problem = raw.length > LONGEST_LINE ? `is longer than ${LONGEST_LINE} characters` : 'has a zero byte';
  if (raw.length > LONGEST_LINE || raw.includes('\0'))
    throw dataError(
      code,
      place,
      `the line ${problem}, so this is no text. Give ${place.argument ?? 'it'} a text file.`,
    );
  const text = place.line === 1 && raw.startsWith('\ufeff') ? raw.slice(1) : raw;
  return { text: text.endsWith('\r') ? text.slice(0, -1) : text, number: place.line, place };
}

function* pieces(place: FilePlace): Generator<Buffer> {
  const descriptor = openFile(place);
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
