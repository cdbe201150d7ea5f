import { dataError, type FilePlace } from '../data/data-error.js';
import { textLines } from '../data/text-lines.js';
import type { NamedPair } from './named-pair.js';

/**
 * YouTube Faces' splits.txt: lines `fold, number, name/video, name/video, 1 or 0`, with or without a line of headings.
 *
 * @throws {CosFaceError} COSFACE_DATA with the line, COSFACE_FILE.
 */
export function* readYtfPairs(place: FilePlace): Generator<NamedPair> {
  let count = 0;
  for (const { text, number } of textLines(place)) {
    if (text.trim() === '' || (number === 1 && !/^\s*\d/.test(text))) continue;
    const parts = text.split(',').map((part) => part.trim());
    const [fold = '', , left = '', right = '', same = ''] = parts;
    if (parts.length !== 5 || !/^[1-9]\d{0,5}$/.test(fold) || left === '' || right === '' || !/^[01]$/.test(same))
      throw dataError(
        'COSFACE_DATA',
        { ...place, line: number },
        `'${text}' is no pair of YouTube Faces, expected: fold, number, name/video, name/video, 1 or 0. ` +
          'Use --protocol pairs for a list of another form.',
      );
    count++;
    yield { left, right, same: same === '1', fold: Number(fold) - 1, line: number };
  }
  if (count === 0) throw dataError('COSFACE_DATA', place, 'there is no pair. Give --pairs the splits.txt of the set.');
}
