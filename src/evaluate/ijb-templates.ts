import { dataError, type FilePlace } from '../data/data-error.js';
import type { FeatureMatrix } from '../data/read-npy.js';
import { textLines } from '../data/text-lines.js';
import { meanRow } from './pool-videos.js';

/** The lines of ijb?_face_tid_mid.txt: which image belongs to which template and medium (a still, or a video). */
export interface TemplateList {
  /** Names of the images. */
  names: string[];
  templates: Int32Array;
  media: Int32Array;
}

/** `raw-mean`: features as they are, so that their lengths weigh, as InsightFace does. `unit-mean`: unit vectors. */
export type TemplatePooling = 'raw-mean' | 'unit-mean';

export const TEMPLATE_POOLINGS: readonly TemplatePooling[] = ['raw-mean', 'unit-mean'];

/** Lines `image template medium`, separated by blanks. */
export function readTemplateList(place: FilePlace): TemplateList {
  const names: string[] = [];
  const numbers: number[] = [];
  for (const { text, number } of textLines(place)) {
    if (text.trim() === '') continue;
    const [, name, template, medium] = /^\s*(\S.*?)\s+(\d{1,9})\s+(-?\d{1,9})\s*$/.exec(text) ?? [];
    if (name === undefined)
      throw dataError(
        'COSFACE_DATA',
        { ...place, line: number },
        `'${text}' is no line of ijb?_face_tid_mid.txt, expected: image, template number, medium number.`,
      );
    names.push(name);
    numbers.push(Number(template), Number(medium));
  }
  if (names.length === 0) throw dataError('COSFACE_DATA', place, 'the list is empty, expected ijb?_face_tid_mid.txt.');
  return {
    names,
    templates: Int32Array.from(names, (_, i) => numbers[2 * i] as number),
    media: Int32Array.from(names, (_, i) => numbers[2 * i + 1] as number),
  };
}

/** The last number of each line of ijb?_name_5pts_score.txt: how sure the detector was of that image, in list order. */
export function readQualities(place: FilePlace, names: readonly string[]): Float64Array {
  const qualities = new Float64Array(names.length);
  let count = 0;
  for (const { text, number } of textLines(place)) {
    if (text.trim() === '') continue;
    const parts = text.trim().split(/\s+/);
    const quality = Number(parts.at(-1));
    const expected = names[count];
    if (parts.length !== 12 || !Number.isFinite(quality) || parts[0] !== expected)
      throw dataError(
        'COSFACE_DATA',
        { ...place, line: number },
        `'${text}' is no line of ijb?_name_5pts_score.txt for '${expected ?? 'no image'}', ` +
          'expected: image, 10 coordinates, score, in the order of the templates.',
      );
    qualities[count++] = quality;
  }
  if (count < names.length)
    throw dataError('COSFACE_DATA', place, `has ${count} lines, expected ${names.length}. Is it cut off?`);
  return qualities;
}

export interface PooledTemplates extends FeatureMatrix {
  /** From a template's number to its row. */
  rowOf: Map<string, number>;
}

export interface PoolOptions {
  /** The row of features of the i-th line of the list. */
  rowOfImage: Int32Array;
  pooling: TemplatePooling;
  /** A factor for the i-th line's features. */
  qualities?: Float64Array | undefined;
}

/**
 * One row for each template: the mean of each medium's images, and the sum of those, so that a long video weighs no
 * more than a still. Pairs of templates go by cosine.
 *
 * Source: InsightFace, recognition/_evaluation_/ijb/ijb_evals.py, image2template_feature.
 */
export function poolTemplates(
  features: FeatureMatrix,
  { templates, media }: TemplateList,
  { rowOfImage, pooling, qualities }: PoolOptions,
): PooledTemplates {
  const { values, dim, dtype } = features;
  const order = Uint32Array.from(templates, (_, i) => i).sort(
    (i, j) =>
      (templates[i] as number) - (templates[j] as number) || (media[i] as number) - (media[j] as number) || i - j,
  );
  const rowOf = new Map<string, number>();
  for (const i of order) if (!rowOf.has(String(templates[i]))) rowOf.set(String(templates[i]), rowOf.size);
  const result = new Float32Array(rowOf.size * dim);
  const sum = new Float64Array(dim);
  for (const lines of runs(order, (i, j) => templates[i] === templates[j])) {
    sum.fill(0);
    for (const medium of runs(lines, (i, j) => media[i] === media[j])) {
      const rows = [...medium].map((i) => rowOfImage[i] as number);
      const factors = qualities && [...medium].map((i) => qualities[i] as number);
      const mean = meanRow(values, dim, { rows, unit: pooling === 'unit-mean', factors });
      for (let k = 0; k < dim; k++) sum[k] = (sum[k] as number) + (mean[k] as number);
    }
    result.set(sum, (rowOf.get(String(templates[lines[0] as number])) as number) * dim);
  }
  return { values: result, rows: rowOf.size, dim, dtype, rowOf };
}

/** The longest parts, one after another, whose members are all alike. */
function* runs(items: Uint32Array, alike: (a: number, b: number) => boolean): Generator<Uint32Array> {
  let from = 0;
  for (let to = 1; to <= items.length; to++) {
    if (to < items.length && alike(items[from] as number, items[to] as number)) continue;
    yield items.subarray(from, to);
    from = to;
  }
}
