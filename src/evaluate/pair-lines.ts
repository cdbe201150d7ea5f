import { dataError, type FilePlace } from '../data/data-error.js';
import { textLines } from '../data/text-lines.js';
import type { NamedPair } from './named-pair.js';

const ANSWERS: Readonly<Record<string, boolean>> = { '1': true, '0': false, true: true, false: false, '-1': false };

/**
 * A plain list of pairs: lines `left right same` or `left right same fold`, with tabs, else commas, else spaces between.
 * `same` is 1 or 0 (or true, false, -1); folds are whole numbers. A line of headings may come first.
 *
 * @throws {CosFaceError} COSFACE_DATA with the line, COSFACE_FILE.
 */
export function* readPairLines(place: FilePlace): Generator<NamedPair> {
  let columns: number | undefined;
  for (const { text, number } of textLines(place)) {
    if (text.trim() === '') continue;
    const parts = split(text);
    const [left = '', right = '', answer = '', fold] = parts;
    if (number === 1 && /same|label/i.test(answer)) continue;
    const same = ANSWERS[answer.toLowerCase()];
    columns ??= parts.length;
    if (same === undefined || left === '' || right === '' || !(fold === undefined || /^\d{1,9}$/.test(fold)))
      throw wrong(text, number, place, 'is no pair, expected: left, right, 1 or 0, and perhaps a fold');
    if (parts.length !== columns || parts.length > 4)
      throw wrong(text, number, place, `has ${parts.length} columns, the lines above have ${Math.min(4, columns)}`);
    yield { left, right, same, fold: fold === undefined ? -1 : Number(fold), line: number };
  }
  if (columns === undefined)
    throw dataError('COSFACE_DATA', place, 'there is no pair, expected lines: left, right, 1 or 0.');
}

function split(text: string): string[] {
  const separator = text.includes('\t') ? '\t' : text.includes(',') ? ',' : /\s+/;
  return text
    .trim()
    .split(separator)
    .map((part) => part.trim());
}

function wrong(text: string, line: number, place: FilePlace, what: string): Error {
  return dataError(
    'COSFACE_DATA',
    { ...place, line },
    `'${text}' ${what}. Separate them by tabs, commas or spaces, all lines alike.`,
  );
}
