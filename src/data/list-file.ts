import { dirname } from 'node:path';
import { checkPath } from './check-path.js';
import { dataError } from './data-error.js';
import type { FaceSet } from './face-set.js';
import { fileFaceSet, type NamedIdentity, noteLikeNames, withEnoughImages } from './file-face-set.js';
import { plainPath, Root } from './path-inside.js';
import { contentLines, type TextLine } from './text-lines.js';

const IMAGE_END = /\.(jpe?g|png|webp|p[gp]m)$/i;

export interface ListFileOptions {
  /** The folder that paths are relative to. Default: that of the list. */
  root?: string;
  /** Identities with fewer images are left out. Default 1. */
  minimumImages?: number;
}

/**
 * A text file with an image a line: `path<TAB>identity`, `path identity` (the last word), `path,identity`, or `path`
 * alone, whose identity is its folder. An identity is a number or a name; all lines are of one form.
 *
 * Labels are given in the order of the numbers, or of the names' first lines; a note says where numbers had gaps.
 * A path that comes twice for one identity counts once, and is noted.
 *
 * @throws {CosFaceError} COSFACE_LIST or COSFACE_PATH with file and line; COSFACE_FILE.
 * @example const faces = await openListFile('lists/train.txt', { root: 'images' });
 */
export async function openListFile(list: string, options: ListFileOptions = {}): Promise<FaceSet> {
  checkPath(list, 'a list of images');
  const { root: folder = dirname(list), minimumImages = 1 } = options;
  const root = await Root.open(folder);
  const notes: string[] = [];
  const listed = await readList(list, notes);
  const identities = inOrder(listed, notes);
  noteLikeNames(identities, notes);
  const kept = withEnoughImages(identities, Math.max(1, minimumImages), notes);
  return fileFaceSet(root, kept, { place: list, notes });
}

async function readList(list: string, notes: string[]): Promise<Map<string, NamedIdentity>> {
  const identities = new Map<string, NamedIdentity>();
  /** Path to the name and line that had it. */
  const seen = new Map<string, { name: string; line: number }>();
  let repeated = 0;
  for (const line of contentLines({ file: list })) {
    const { path, name } = readLine(line);
    const before = seen.get(path);
    if (before && before.name !== name) {
      const what = `${path} is of identity '${name}', and of '${before.name}' in line ${before.line}. Remove one.`;
      throw dataError('COSFACE_LIST', line.place, what);
    }
    if (before) {
      repeated++;
      continue;
    }
    seen.set(path, { name, line: line.number });
    const identity = identities.get(name);
    if (identity) identity.paths.push(path);
    else identities.set(name, { name, paths: [path] });
  }
  if (repeated > 0) notes.push(`${repeated} lines repeat a path: each image counts once.`);
  return identities;
}

function readLine({ text, place }: TextLine): { path: string; name: string } {
  const [listed, name] = splitLine(text);
  const path = plainPath(listed, place);
  const folder = path.split('/').at(-2);
  const identity = name ?? folder;
  if (identity === undefined || identity === '') {
    throw dataError('COSFACE_LIST', place, `'${text}' has no identity: give one after a tab, or a path with a folder.`);
  }
  return { path, name: identity };
}

/** A tab decides, then a comma, then the last blank; a lone path may have a comma or blanks too. */
function splitLine(text: string): [path: string, name?: string] {
  const trimmed = text.trim();
  const tab = trimmed.indexOf('\t');
  if (tab >= 0) return [trimmed.slice(0, tab).trim(), trimmed.slice(tab).trim()];
  const found = /^(.*),([^,]*)$/.exec(trimmed) ?? /^(.*\S)\s+(\S+)$/.exec(trimmed);
  const [, path = '', name = ''] = found ?? [];
  // The end of a name such as `my photo.jpg` is no identity.
  return found && !IMAGE_END.test(name) ? [path.trim(), name.trim()] : [trimmed];
}

function inOrder(identities: ReadonlyMap<string, NamedIdentity>, notes: string[]): NamedIdentity[] {
  const all = [...identities.values()];
  const numbers = all.map(({ name }) => (/^\d{1,15}$/.test(name) ? Number(name) : Number.NaN));
  if (all.length === 0 || numbers.some(Number.isNaN)) return all;
  all.sort((a, b) => Number(a.name) - Number(b.name));
  const [first, last] = [Number(all[0]?.name), Number(all.at(-1)?.name)];
  if (first !== 0 || last !== all.length - 1) {
    notes.push(`the ${all.length} identities are numbered ${first} to ${last}: labels are 0 to ${all.length - 1}.`);
  }
  return all;
}
