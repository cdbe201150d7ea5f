import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkPath } from './check-path.js';
import { dataError } from './data-error.js';
import type { FaceSet } from './face-set.js';
import { RecordFile } from './record-file.js';
import { HEADER_BYTES, type PackedRecord, unpackRecord } from './record-header.js';
import { type RecordIndex, readRecordIndex } from './record-index.js';
import { readRecordProperty } from './record-property.js';

// InsightFace's bundle: train.rec, train.idx, property.
//
// The record of key 0 with two labels (a, b) is an index: images are keys 1 .. a-1, identities keys a .. b-1, and an
// identity's two labels (start, end) are the keys of its images. Without it, every key is an image.
// An image's class is in its own header.

/** Labels and keys are stored as float32, which has every whole number up to here. */
const FLOAT_WHOLE: number = 2 ** 24;
/** Enough of a record for its header and some labels: two are usual. */
const HEADER_AND_LABELS: number = HEADER_BYTES + 4 * 16;
/** Records whose headers are read at once when a set is opened. */
const HEADERS_AT_ONCE = 64;

/**
 * An InsightFace or MXNet record file, with its .idx beside it and its `property`, if there is one.
 *
 * Opening reads the index and one header for each identity, or for each image where there is no index record; images
 * are read as they are asked for. Labels are the classes that the headers name, in ascending order and without gaps;
 * an identity's name is that class.
 *
 * @throws {CosFaceError} COSFACE_FILE: a file is missing; COSFACE_RECORD: one is cut off or damaged, or a length in it
 * cannot be.
 * @example const faces = await openRecordSet('faces_webface_112x112/train.rec');
 */
export async function openRecordSet(path: string): Promise<FaceSet> {
  checkPath(path, 'a .rec file');
  if (!/\.rec$/i.test(path)) throw dataError('COSFACE_RECORD', path, 'its name does not end with .rec.');
  const file = await RecordFile.open(path);
  try {
    return await openImages(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The keys of images and the class that each one's header names or, by its identity's first image, should name. */
interface KeyedImages {
  keys: Float64Array;
  classes: Float64Array;
}

async function openImages(file: RecordFile): Promise<FaceSet> {
  const index = await readRecordIndex(file.path.replace(/rec$/i, 'idx'), file.bytes);
  const records = new KeyedRecords(file, index);
  const notes: string[] = [];
  const ranges = await readIdentityRanges(records);
  const images = ranges ? await imagesOfRanges(records, ranges, notes) : await imagesOfHeaders(records, notes);
  if (images.keys.length === 0) throw dataError('COSFACE_RECORD', file.path, 'it has no images.');

  const present = Float64Array.from(new Set(images.classes)).sort();
  const labelOf = new Map(Array.from(present, (name, label) => [name, label]));
  const highest = present.at(-1) as number;
  if (highest !== present.length - 1) {
    notes.push(`the ${present.length} classes are numbered ${present[0]} to ${highest}: labels have no gaps.`);
  }
  await noteProperty(file, present.length, notes);
  const { keys, classes } = images;
  const keyAt = (at: number): number => {
    const key = keys[at];
    if (key === undefined) throw dataError('COSFACE_RECORD', file.path, `it has no image ${at}, but ${keys.length}.`);
    return key;
  };
  return {
    size: keys.length,
    identities: Array.from(present, String),
    labels: Int32Array.from(classes, (name) => labelOf.get(name) as number),
    notes,
    nameOf: (at) => records.nameOf(keyAt(at)),
    read: (at) => readImage(records, keyAt(at), classes[at] as number),
    close: () => file.close(),
  };
}

async function readImage(records: KeyedRecords, key: number, expected: number): Promise<Uint8Array> {
  const { labels, payload } = await records.read(key);
  if (payload.length === 0) throw dataError('COSFACE_RECORD', records.nameOf(key), 'it has no image.');
  if (labels[0] === expected) return payload;
  const what = `its header says class ${labels[0]}, but the first image of its identity says ${expected}.`;
  throw dataError('COSFACE_RECORD', records.nameOf(key), what);
}

/** Records by key. */
class KeyedRecords {
  readonly file: RecordFile;
  readonly index: RecordIndex;

  constructor(file: RecordFile, index: RecordIndex) {
    this.file = file;
    this.index = index;
  }

  nameOf(key: number): string {
    return `${this.file.path}, key ${key}`;
  }

  async read(key: number, most?: number): Promise<PackedRecord> {
    const offset = this.index.offsetOf(key);
    if (offset === undefined) throw dataError('COSFACE_RECORD', this.nameOf(key), 'the .idx file has no such key.');
    return unpackRecord(await this.file.read(offset, most), this.nameOf(key));
  }

  /** A record's header and labels; `payload` is what happens to be read of it, if any. */
  async header(key: number): Promise<PackedRecord> {
    return this.read(key, HEADER_AND_LABELS);
  }
}

/** The keys of the identity records: [first, last). */
interface IdentityRanges {
  first: number;
  last: number;
}

async function readIdentityRanges(records: KeyedRecords): Promise<IdentityRanges | undefined> {
  if (records.index.offsetOf(0) === undefined) return undefined;
  const { flag, labels } = await records.header(0);
  if (flag !== 2) return undefined;
  const [first = Number.NaN, last = Number.NaN] = labels;
  // Beyond this the ranges are rounded: the images' own headers must do.
  if (last > FLOAT_WHOLE) return undefined;
  const whole = Number.isInteger(first) && Number.isInteger(last);
  if (whole && first >= 1 && last > first) return { first, last };
  throw dataError(
    'COSFACE_RECORD',
    records.nameOf(0),
    `it names identities ${first} to ${last}: that is no range of keys.`,
  );
}

async function imagesOfRanges(
  records: KeyedRecords,
  { first, last }: IdentityRanges,
  notes: string[],
): Promise<KeyedImages> {
  const { index } = records;
  const found = index.keys.subarray(0, place(index, first)).length;
  const ranges = await readAll(last - first, async (at) => {
    const key = first + at;
    const { flag, labels } = await records.header(key);
    const [start = Number.NaN, end = Number.NaN] = labels;
    const inside = Number.isInteger(start) && Number.isInteger(end) && start >= 1 && start <= end && end <= first;
    if (flag !== 2 || !inside) {
      const what = `an identity's images are keys ${start} to ${end}, expected a range within 1 to ${first}.`;
      throw dataError('COSFACE_RECORD', records.nameOf(key), what);
    }
    return { key, start, end };
  });
  const total = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  if (total > found) {
    const what = `its identities have ${total} images, but the .idx file has ${found} keys below ${first}.`;
    throw dataError('COSFACE_RECORD', records.file.path, what);
  }
  const filled = ranges.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  const overlap = filled.findIndex(({ start }, at) => at > 0 && start < (filled[at - 1]?.end as number));
  if (overlap >= 0) {
    const [before, range] = [filled[overlap - 1], filled[overlap]];
    const what = `identities ${before?.key} and ${range?.key} both have image ${range?.start}.`;
    throw dataError('COSFACE_RECORD', records.file.path, what);
  }
  const empty = ranges.length - filled.length;
  if (empty > 0) notes.push(`${empty} of ${ranges.length} identities have no images: left out.`);
  const unnamed = found - total - (index.find(0) === 0 ? 1 : 0);
  if (unnamed > 0) notes.push(`${unnamed} images are of no identity: left out.`);

  const classOf = await readAll(filled.length, async (at) => classIn(records, filled[at]?.start as number));
  const keys = new Float64Array(total);
  const classes = new Float64Array(total);
  let to = 0;
  filled.forEach(({ start, end }, at) => {
    classes.fill(classOf[at] as number, to, to + end - start);
    for (let key = start; key < end; key++) keys[to++] = key;
  });
  return { keys, classes };
}

/** How many keys of the index lie below a key. */
function place(index: RecordIndex, key: number): number {
  const at = index.keys.findIndex((found) => found >= key);
  return at < 0 ? index.keys.length : at;
}

async function imagesOfHeaders(records: KeyedRecords, notes: string[]): Promise<KeyedImages> {
  const { keys } = records.index;
  const indexed = keys[0] === 0 && (await records.header(0)).flag === 2;
  const classes = await readAll(keys.length, async (at) => {
    if (at === 0 && indexed) return Number.NaN;
    const { payload, labels, flag } = await records.header(keys[at] as number);
    // An index record is nothing but its labels.
    const isIndex = flag === 2 && payload.length === 0 && (await records.read(keys[at] as number)).payload.length === 0;
    return isIndex ? Number.NaN : wholeClass(labels[0] as number, records.nameOf(keys[at] as number));
  });
  const images = Array.from(keys.keys()).filter((at) => !Number.isNaN(classes[at]));
  if (images.length < keys.length) notes.push(`${keys.length - images.length} keys are index records, not images.`);
  return {
    keys: Float64Array.from(images, (at) => keys[at] as number),
    classes: Float64Array.from(images, (at) => classes[at] as number),
  };
}

async function classIn(records: KeyedRecords, key: number): Promise<number> {
  const { labels } = await records.header(key);
  return wholeClass(labels[0] as number, records.nameOf(key));
}

function wholeClass(value: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= FLOAT_WHOLE) return value;
  throw dataError('COSFACE_RECORD', name, `its class is ${value}, expected a whole number from 0 to ${FLOAT_WHOLE}.`);
}

async function noteProperty(file: RecordFile, classes: number, notes: string[]): Promise<void> {
  const path = join(dirname(file.path), 'property');
  if (!existsSync(path)) return;
  const property = await readRecordProperty(path);
  if (property.classes !== classes) {
    notes.push(`property says ${property.classes} classes, but the images are of ${classes}.`);
  }
}

/** Reads things in order, some at once. */
async function readAll<T>(count: number, read: (at: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let at = 0; at < count; at += HEADERS_AT_ONCE) {
    const size = Math.min(HEADERS_AT_ONCE, count - at);
    results.push(...(await Promise.all(Array.from({ length: size }, (_, i) => read(at + i)))));
  }
  return results;
}
