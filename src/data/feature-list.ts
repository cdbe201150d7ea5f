import { readFileSync } from 'node:fs';
import { dataError, type FilePlace, fileError } from './data-error.js';
import { textLines } from './text-lines.js';

/** What each row of a feature file is. */
export interface FeatureList {
  /** Row by row: usually the path of an image. All different. */
  names: string[];
  /** The identity of each row, where the list has one. */
  labels: string[] | undefined;
}

/**
 * A list of names, one for each row of a feature file. Text: a name a line, or a name, a tab and a label; where every
 * line ends in a space and a whole number, that number is the label. Or MegaFace's JSON: `{ "path": [...], "id": [...] }`.
 *
 * @throws {CosFaceError} COSFACE_FILE, COSFACE_DATA, COSFACE_DUPLICATE_NAME with both lines.
 */
export function readFeatureList(place: FilePlace): FeatureList {
  const json = isJson(place);
  const list = json ? readJsonList(place) : readTextList(place);
  requireDifferent(list.names, place, json ? (row) => `path[${row}]` : (row) => `line ${row + 1}`);
  return list;
}

function isJson(place: FilePlace): boolean {
  for (const { text } of textLines(place)) if (text.trim() !== '') return text.trimStart().startsWith('{');
  throw dataError('COSFACE_DATA', place, 'the list is empty, expected one line for each row of features.');
}

function readTextList(place: FilePlace): FeatureList {
  const lines = linesOf(place);
  const separator = lines.some((line) => line.includes('\t')) ? /^(.*?)\t([^\t]*)$/ : /^(.*\S) +(-?\d+)$/;
  const split = lines.map((line) => separator.exec(line));
  if (separator.source.includes('t')) {
    const wrong = split.findIndex((parts) => !parts?.[1] || !parts[2]);
    if (wrong >= 0)
      throw dataError(
        'COSFACE_DATA',
        { ...place, line: wrong + 1 },
        `'${lines[wrong]}' has not two columns, expected a name, a tab and a label as on the other lines.`,
      );
  } else if (split.includes(null)) return { names: lines, labels: undefined };
  return { names: split.map((parts) => parts?.[1] as string), labels: split.map((parts) => parts?.[2] as string) };
}

/** The n-th row of features belongs to the n-th line, so an empty line is no matter of taste. */
function linesOf(place: FilePlace): string[] {
  const lines: string[] = [];
  let empty: number | undefined;
  for (const { text, number } of textLines(place)) {
    if (text.trim() === '') {
      empty ??= number;
      continue;
    }
    if (empty !== undefined)
      throw dataError(
        'COSFACE_DATA',
        { ...place, line: empty },
        'the line is empty, expected the name of a row of features. Remove it if no row belongs to it.',
      );
    lines.push(text.trim());
  }
  return lines;
}

function readJsonList(place: FilePlace): FeatureList {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(place.file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code) throw fileError(place, cause);
    throw dataError('COSFACE_DATA', place, `no JSON: ${(cause as Error).message}.`, cause);
  }
  const { path, id } = content as { path?: unknown; id?: unknown };
  const expected = 'expected MegaFace\'s { "path": ["...", ...], "id": ["...", ...] }, of one length, "id" as you like';
  const isNames = (values: unknown): values is string[] =>
    Array.isArray(values) && values.every((value) => typeof value === 'string' && value !== '');
  const ids = Array.isArray(id) ? id.map((value) => (typeof value === 'number' ? String(value) : value)) : id;
  if (!isNames(path) || path.length === 0 || !(ids === undefined || (isNames(ids) && ids.length === path.length)))
    throw dataError('COSFACE_DATA', place, `the JSON is not as it should be, ${expected}.`);
  return { names: path, labels: ids };
}

function requireDifferent(names: readonly string[], place: FilePlace, spot: (row: number) => string): void {
  if (new Set(names).size === names.length) return;
  const first = new Map<string, number>();
  for (const [row, name] of names.entries()) {
    const earlier = first.get(name);
    if (earlier !== undefined)
      throw dataError(
        'COSFACE_DUPLICATE_NAME',
        { ...place, line: spot(row).startsWith('line') ? row + 1 : undefined },
        `${spot(row)} has '${name}' as ${spot(earlier)} does. Give each row of features a name of its own.`,
      );
    first.set(name, row);
  }
}
