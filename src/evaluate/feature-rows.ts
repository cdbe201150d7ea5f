import { dataError, type FilePlace } from '../data/data-error.js';

const IMAGE_END = /\.(jpe?g|png|webp|pgm|ppm|bmp|gif|tiff?|avif)$/i;

/** Finds the row of features that a name in a list of pairs means. */
export interface FeatureRows {
  /**
   * The row, or -1 where there is none.
   *
   * @throws {CosFaceError} COSFACE_DUPLICATE_NAME where several rows are meant.
   */
  find(name: string, place: FilePlace): number;
}

/**
 * Rows by name. A name means the row of just that name; else, image endings left aside, the one row whose path ends
 * with it or that it ends with: `Ann/Ann_0001` means `lfw/Ann/Ann_0001.jpg`, and `Ann_0001.png` too.
 */
export function featureRows(names: readonly string[]): FeatureRows {
  const exact = new Map(names.map((name, row) => [name, row]));
  let byStem: Map<string, number[]> | undefined;
  const known = new Map<string, number>();
  return {
    find(name, place) {
      const row = exact.get(name) ?? known.get(name);
      if (row !== undefined) return row;
      byStem ??= groupByStem(names);
      const path = bare(name);
      const rows = nearest(byStem.get(stem(path)) ?? [], (row) => bare(names[row] as string), path);
      if (rows.length > 1)
        throw ambiguous(
          name,
          rows.map((candidate) => names[candidate] as string),
          place,
        );
      known.set(name, rows[0] ?? -1);
      return rows[0] ?? -1;
    },
  };
}

function groupByStem(names: readonly string[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  names.forEach((name, row) => {
    const key = stem(bare(name));
    const rows = groups.get(key);
    if (rows) rows.push(row);
    else groups.set(key, [row]);
  });
  return groups;
}

/** A path with / and without `./` and image ending. */
export function bare(name: string): string {
  return name
    .replaceAll('\\', '/')
    .replace(/^(\.\/)+/, '')
    .replace(IMAGE_END, '');
}

function stem(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Rows of that very path, else those that end with it, else those that it ends with. */
function nearest(rows: readonly number[], pathOf: (row: number) => string, path: string): number[] {
  const ways = [
    (candidate: string) => candidate === path,
    (candidate: string) => candidate.endsWith(`/${path}`),
    (candidate: string) => path.endsWith(`/${candidate}`),
  ];
  for (const meets of ways) {
    const found = rows.filter((row) => meets(pathOf(row)));
    if (found.length > 0) return found;
  }
  return [];
}

function ambiguous(name: string, meant: readonly string[], place: FilePlace): Error {
  return dataError(
    'COSFACE_DUPLICATE_NAME',
    place,
    `'${name}' may mean '${meant[0]}' or '${meant[1]}' of the features. Write the path so that only one ends with it.`,
  );
}
