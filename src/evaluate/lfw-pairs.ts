import { dataError, type FilePlace } from '../data/data-error.js';
import { type TextLine, textLines } from '../data/text-lines.js';
import type { NamedPair } from './named-pair.js';

/**
 * LFW's pairs.txt: a line `folds<tab>n` (or only `n`: one fold, as in pairsDevTrain.txt), then for each fold n lines
 * `name<tab>i<tab>j` of one person and n lines `name<tab>i<tab>name<tab>j` of two. Images are called `name/name_0001`.
 *
 * @throws {CosFaceError} COSFACE_DATA with the line, COSFACE_FILE.
 *
 * Source: Labeled Faces in the Wild, README, section 4.
 */
export function* readLfwPairs(place: FilePlace): Generator<NamedPair> {
  const lines = textLines(place);
  const [folds, half] = readCounts(lines.next().value, place);
  const expected = 2 * folds * half;
  let count = 0;
  for (const line of lines) {
    if (line.text.trim() === '') continue;
    if (count === expected) throw wrong(line, place, `is a pair more than the ${expected} that line 1 announces`);
    const same = count % (2 * half) < half;
    yield { ...readPair(line, same, place), same, fold: folds === 1 ? -1 : Math.floor(count / (2 * half)) };
    count++;
  }
  if (count < expected)
    throw dataError('COSFACE_DATA', place, `has ${count} pairs, but line 1 announces ${expected}. Is it cut off?`);
}

function readCounts(line: TextLine | undefined, place: FilePlace): [folds: number, half: number] {
  const found = /^\s*(?:(\d{1,6})\s+)?(\d{1,9})\s*$/.exec(line?.text ?? '');
  const [folds, half] = [Number(found?.[1] ?? 1), Number(found?.[2] ?? 0)];
  if (folds > 0 && half > 0) return [folds, half];
  throw wrong(
    line ?? { text: '', number: 1 },
    place,
    "is no head of LFW's pairs.txt, expected the number of folds, a tab, and the number of genuine pairs of each",
  );
}

function readPair(line: TextLine, same: boolean, place: FilePlace): Omit<NamedPair, 'same' | 'fold'> {
  const parts = line.text.trim().split(/\s+/);
  const [name = '', i = '', ...rest] = parts;
  const [other, j = ''] = same ? [name, rest[0]] : [rest[0] ?? '', rest[1]];
  const right = parts.length === (same ? 3 : 4) && [i, j].every((number) => /^\d{1,6}$/.test(number));
  if (!right)
    throw wrong(line, place, `is no ${same ? 'genuine pair: name, i, j' : 'impostor pair: name, i, name, j'}`);
  if (!same && name === other) throw wrong(line, place, 'is an impostor pair of one person');
  return { left: imageOf(name, i), right: imageOf(other, j), line: line.number };
}

function imageOf(name: string, number: string): string {
  return `${name}/${name}_${number.padStart(4, '0')}`;
}

function wrong({ text, number }: Omit<TextLine, 'place'>, place: FilePlace, what: string): Error {
  return dataError(
    'COSFACE_DATA',
    { ...place, line: number },
    `'${text}' ${what}. Compare it with LFW's own pairs.txt, or use --protocol pairs for a list of another form.`,
  );
}
