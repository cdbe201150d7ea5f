import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

// RecordIO written from its description, byte by byte, so that reader and test share no code.

const MAGIC = 0xced7230a;

/** One part: mark, flag and length, bytes, padding. */
export function part(flag: number, data: Uint8Array, length: number = data.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt32LE(((flag << 29) | length) >>> 0, 4);
  return Buffer.concat([head, data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}

/** A record as the writer of dmlc-core splits it: at every mark that stands at a multiple of 4. */
export function record(data: Uint8Array): Buffer {
  const bytes = Buffer.from(data);
  const cuts: number[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) if (bytes.readUInt32LE(at) === MAGIC) cuts.push(at);
  if (cuts.length === 0) return part(0, bytes);
  const starts = [0, ...cuts.map((at) => at + 4)];
  const ends = [...cuts, bytes.length];
  return Buffer.concat(
    starts.map((start, i) => part(i === 0 ? 1 : i === starts.length - 1 ? 3 : 2, bytes.subarray(start, ends[i]))),
  );
}

/** The payload of a record: header, labels, image. With one number the label is the header's own. */
export function packed(labels: number | number[], image: Uint8Array = new Uint8Array()): Buffer {
  const list = typeof labels === 'number' ? [] : labels;
  const head = Buffer.alloc(24 + 4 * list.length);
  head.writeUInt32LE(list.length, 0);
  if (typeof labels === 'number') head.writeFloatLE(labels, 4);
  list.forEach((label, i) => {
    head.writeFloatLE(label, 24 + 4 * i);
  });
  return Buffer.concat([head, image]);
}

/** Writes records, key by key, as train.rec and train.idx; returns the path of train.rec. */
export function writeRecords(folder: string, records: ReadonlyMap<number, Uint8Array>): string {
  const written: Buffer[] = [];
  const index: string[] = [];
  let offset = 0;
  for (const [key, data] of records) {
    const bytes = record(data);
    index.push(`${key}\t${offset}\n`);
    written.push(bytes);
    offset += bytes.length;
  }
  writeFileSync(join(folder, 'train.rec'), Buffer.concat(written));
  writeFileSync(join(folder, 'train.idx'), index.join(''));
  return join(folder, 'train.rec');
}

/** A set as InsightFace writes it: an index record, images by identity, a record for each identity. */
export function insightFaceRecords(images: readonly (readonly [number, Uint8Array])[]): Map<number, Uint8Array> {
  const identities = [...new Set(images.map(([label]) => label))];
  const first = images.length + 1;
  const records = new Map<number, Uint8Array>([[0, packed([first, first + identities.length])]]);
  images.forEach(([label, image], i) => {
    records.set(i + 1, packed(label, image));
  });
  identities.forEach((label, i) => {
    const start = images.findIndex(([of]) => of === label) + 1;
    const count = images.filter(([of]) => of === label).length;
    records.set(first + i, packed([start, start + count]));
  });
  return records;
}
