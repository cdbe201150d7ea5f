import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordFile } from '../../src/data/record-file.js';
import { unpackRecord } from '../../src/data/record-header.js';
import { openRecordSet } from '../../src/data/record-set.js';
import { CosFaceError } from '../../src/native/errors.js';
import { encoded, madeImage, refusal, temporaryFolder } from './made-images.js';
import { insightFaceRecords, packed, part, record, writeRecords } from './made-records.js';

const bytes = (...values: number[]) => Uint8Array.from(values);
const MARK = [0x0a, 0x23, 0xd7, 0xce];

async function readAll(path: string): Promise<[string, Uint8Array][]> {
  const set = await openRecordSet(path);
  try {
    return await Promise.all(
      Array.from({ length: set.size }, async (_, at): Promise<[string, Uint8Array]> => {
        return [set.identities[set.labels[at] as number] as string, Uint8Array.from(await set.read(at))];
      }),
    );
  } finally {
    await set.close();
  }
}

test("InsightFace's bundle: index record, identity records, JPEG payloads", async () => {
  const folder = temporaryFolder();
  const jpegs = await Promise.all([0, 1, 2, 3].map((kind) => encoded(madeImage(16, 16, 10 * kind))));
  const labels = [7, 7, 9, 30];
  const path = writeRecords(folder, insightFaceRecords(jpegs.map((jpeg, i) => [labels[i] as number, jpeg])));
  writeFileSync(join(folder, 'property'), '31,16,16\n');
  const set = await openRecordSet(path);
  expect(set.size).toBe(4);
  expect(set.identities).toEqual(['7', '9', '30']);
  expect([...set.labels]).toEqual([0, 0, 1, 2]);
  expect(set.notes.join()).toContain('the 3 classes are numbered 7 to 30');
  expect(set.notes.join()).toContain('property says 31 classes');
  expect(Buffer.from(await set.read(2)).equals(Buffer.from(jpegs[2] as Uint8Array))).toBe(true);
  expect(set.nameOf(3)).toMatch(/train\.rec, key 4$/);
  await set.close();
});

test('without an index record every key is an image; labels by header or by list', async () => {
  const path = writeRecords(
    temporaryFolder(),
    new Map([
      [0, packed(5, bytes(1))],
      [3, packed([2, 99], bytes(2, 3))],
      [1, packed([5, 1, 2, 3, 4, 5], bytes(4))],
    ]),
  );
  expect(await readAll(path)).toEqual([
    ['5', bytes(1)],
    ['5', bytes(4)],
    ['2', bytes(2, 3)],
  ]);
});

test('a payload with record marks in it is split by the writer and joined by the reader', async () => {
  const anyByte = fc.constantFrom(...MARK, 0, 255);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 9 }).map((a) => [...a]),
    fc.constant(MARK),
    fc.array(anyByte),
  );
  const payload = fc.array(piece, { maxLength: 6 }).map((pieces) => Uint8Array.from(pieces.flat()));
  const folder = temporaryFolder();
  await fc.assert(
    fc.asyncProperty(payload, async (data) => {
      const path = writeRecords(folder, new Map([[0, data]]));
      const file = await RecordFile.open(path);
      try {
        expect(Buffer.from(await file.read(0)).equals(Buffer.from(data))).toBe(true);
        for (const most of [1, 4, 7]) {
          expect(Buffer.from(await file.read(0, most)).equals(Buffer.from(data.subarray(0, most)))).toBe(true);
        }
      } finally {
        await file.close();
      }
    }),
    { numRuns: 200 },
  );
  const twice = Uint8Array.from([1, 2, 3, 4, ...MARK, ...MARK, 5]);
  expect(record(twice).length).toBe(8 + 4 + 8 + 0 + 8 + 4);
});

test('a .rec that is cut off, at every length: named, never wrong bytes', async () => {
  const folder = temporaryFolder();
  const images: [number, Uint8Array][] = [
    [0, bytes(1, 2, 3, 4, 5)],
    [0, bytes(6, ...MARK, 7)],
    [1, bytes(8)],
  ];
  const path = writeRecords(folder, insightFaceRecords(images));
  const whole = readFileSync(path);
  let refused = 0;
  for (let length = whole.length - 1; length >= 0; length--) {
    truncateSync(path, length);
    const outcome = await readAll(path).then(
      (found) => found,
      (error: Error) => error,
    );
    if (outcome instanceof Error) {
      expect(outcome, String(outcome.stack)).toBeInstanceOf(CosFaceError);
      expect(outcome.message).toMatch(/^COSFACE_RECORD: .*train\.(rec|idx)/);
      refused++;
    } else {
      // Only the padding of the last record is gone.
      expect(outcome.map(([, image]) => image)).toEqual(images.map(([, image]) => image));
    }
  }
  expect(refused).toBeGreaterThan(whole.length - 4);
});

test('random damage is refused with words or changes an image, and never anything else', async () => {
  const folder = temporaryFolder();
  const path = writeRecords(
    folder,
    insightFaceRecords([
      [0, bytes(1, 2, 3)],
      [1, bytes(...MARK, 9)],
    ]),
  );
  const whole = readFileSync(path);
  const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(changes, async (places) => {
      const damaged = Buffer.from(whole);
      for (const [at, value] of places) damaged[at] = value;
      writeFileSync(path, damaged);
      await readAll(path).catch((error) => expect(error, error.stack).toBeInstanceOf(CosFaceError));
    }),
    { numRuns: 500 },
  );
});

test.each([
  { name: 'a length beyond the file', data: part(0, bytes(1), 2 ** 29 - 1), says: 'its length is 536870911 bytes' },
  { name: 'a middle part first', data: part(2, bytes(1, 2, 3, 4)), says: 'begins with part 2' },
  { name: 'an unknown flag', data: part(5, bytes(1, 2, 3, 4)), says: 'begins with part 5' },
  {
    name: 'no last part',
    data: Buffer.concat([part(1, bytes(1)), part(0, bytes(1))]),
    says: 'part 0 within the record',
  },
  { name: 'no mark', data: Buffer.alloc(16), says: 'expected the record mark 0xced7230a' },
  { name: 'too short for its header', data: part(0, bytes(1, 2)), says: 'expected a header of 24' },
  {
    name: 'more labels than bytes',
    data: part(0, Buffer.concat([bytes(255, 255, 255, 255), Buffer.alloc(24)])),
    says: 'announces 4294967295 labels',
  },
  { name: 'a class that is no number', data: part(0, packed(Number.NaN, bytes(1))), says: 'its class is NaN' },
  { name: 'identities that are no range', data: part(0, packed([9, 3])), says: 'identities 9 to 3' },
  { name: 'more identities than keys', data: part(0, packed([1, 2 ** 24])), says: 'the .idx file has no such key' },
])('$name', async ({ data, says }) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'train.rec'), data);
  writeFileSync(join(folder, 'train.idx'), '0\t0\n');
  const error = await refusal(openRecordSet(join(folder, 'train.rec')));
  expect(error.code).toBe('COSFACE_RECORD');
  expect(error.message).toContain(says);
});

test.each([
  { idx: '0\t0\n1 hello\n', says: "train.idx:2: '1 hello' is not of the form" },
  { idx: '0\t9999\n', says: 'train.idx:1: offset 9999 lies beyond' },
  { idx: '1\t0\n0\t0\n1\t0\n', says: 'key 1 comes twice' },
  { idx: '\n', says: 'it has no keys' },
  { idx: '0\t2\n', says: 'record at byte 2: expected a multiple of 4' },
])('an index that is wrong: $says', async ({ idx, says }) => {
  const folder = temporaryFolder();
  const path = writeRecords(folder, new Map([[0, packed(0, bytes(1))]]));
  writeFileSync(join(folder, 'train.idx'), idx);
  expect((await refusal(openRecordSet(path))).message).toContain(says);
});

test('files that are missing or empty', async () => {
  const folder = temporaryFolder();
  const path = writeRecords(folder, new Map([[0, packed(0, bytes(1))]]));
  writeFileSync(join(folder, 'property'), 'ten');
  expect((await refusal(openRecordSet(path))).message).toContain("it says 'ten'");
  rmSync(join(folder, 'train.idx'));
  expect((await refusal(openRecordSet(path))).message).toMatch(/train\.idx: there is no such file/);
  writeFileSync(path, '');
  expect((await refusal(openRecordSet(path))).message).toContain('it is empty');
});

test('an image whose header names another class than its identity is refused by its key', async () => {
  const records = insightFaceRecords([
    [0, bytes(1)],
    [0, bytes(2)],
  ]);
  records.set(2, packed(1, bytes(2)));
  const set = await openRecordSet(writeRecords(temporaryFolder(), records));
  expect((await refusal(set.read(1))).message).toContain('key 2: its header says class 1');
  await set.close();
});

test('identities that share images', async () => {
  const records = insightFaceRecords([
    [0, bytes(1)],
    [1, bytes(2)],
  ]);
  records.set(3, packed([1, 3]));
  records.set(4, packed([2, 2]));
  const set = await openRecordSet(writeRecords(temporaryFolder(), records));
  expect(set.notes.join()).toContain('1 of 2 identities have no images');
  await set.close();
  records.set(3, packed([1, 2]));
  records.set(4, packed([1, 2]));
  expect((await refusal(openRecordSet(writeRecords(temporaryFolder(), records)))).message).toContain(
    'both have image 1',
  );
});

test('labels beyond a byte and fractions come as they are', () => {
  const { labels, payload, flag } = unpackRecord(packed([85741, 0.5, -1], bytes(3)), 'here');
  expect([flag, ...labels]).toEqual([3, 85741, 0.5, -1]);
  expect([...payload]).toEqual([3]);
});
