import { dataError } from './data-error.js';
import { readWholeFile } from './read-whole-file.js';

/** What the file `property` beside an InsightFace .rec says. */
export interface RecordProperty {
  classes: number;
  height: number;
  width: number;
}

/**
 * Reads `num_classes,height,width`, such as `85742,112,112`.
 *
 * @throws {CosFaceError} COSFACE_RECORD: it says something else.
 */
export async function readRecordProperty(path: string): Promise<RecordProperty> {
  const text = new TextDecoder().decode(await readWholeFile(path, 4096, 'COSFACE_RECORD')).trim();
  const [classes = 0, height = 0, width = 0] = /^\d+,\d+,\d+$/.test(text) ? text.split(',').map(Number) : [];
  const sides = [height, width].every((side) => side >= 1 && side <= 16_384);
  if (classes >= 1 && classes <= 2 ** 31 - 1 && sides) return { classes, height, width };
  throw dataError('COSFACE_RECORD', path, `it says '${text.slice(0, 80)}', expected 'classes,height,width'.`);
}
