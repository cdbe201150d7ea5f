import { dataError } from './data-error.js';
import { plainPath } from './path-inside.js';
import { contentLines } from './text-lines.js';

/** A place in an image: pixels from the middle of its top left pixel, which is (0, 0). */
export type Point = readonly [x: number, y: number];

/** Left eye, right eye, tip of the nose, left and right corner of the mouth, as seen in the image. */
export type Landmarks = readonly [Point, Point, Point, Point, Point];

/** The number of coordinates in a list's line. */
const COORDINATES = 10;
/** No image is that wide; a larger number is a mistake in the list. */
const FARTHEST = 1e6;

/**
 * Reads a list of landmarks: `path x1 y1 ... x5 y5` a line, between tabs or blanks.
 *
 * @returns Landmarks by path, made plain as `plainPath` does.
 * @throws {CosFaceError} COSFACE_LIST or COSFACE_PATH with file and line; COSFACE_FILE.
 */
export async function readLandmarks(list: string): Promise<Map<string, Landmarks>> {
  const all = new Map<string, Landmarks>();
  for (const { text, place } of contentLines({ file: list })) {
    const fields = text.trim().split(text.includes('\t') ? /\t+/ : /\s+/);
    const coordinates = fields.slice(-COORDINATES).map(Number);
    const wrong = coordinates.some((value) => !(Math.abs(value) <= FARTHEST));
    if (wrong || fields.length <= COORDINATES) {
      throw dataError('COSFACE_LIST', place, 'expected a path and ten numbers, x and y of five landmarks.');
    }
    const path = plainPath(fields.slice(0, -COORDINATES).join(' '), place);
    if (all.has(path)) throw dataError('COSFACE_LIST', place, `${path} comes twice. Remove one.`);
    all.set(path, landmarksOf(coordinates));
  }
  if (all.size === 0) throw dataError('COSFACE_LIST', list, 'it has no landmarks.');
  return all;
}

/** Landmarks from x1, y1, ..., x5, y5. */
export function landmarksOf(coordinates: readonly number[]): Landmarks {
  const point = (at: number): Point => [coordinates[2 * at] as number, coordinates[2 * at + 1] as number];
  return [point(0), point(1), point(2), point(3), point(4)];
}
