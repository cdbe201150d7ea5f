import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Crc32c } from '@aws-crypto/crc32c';
import { expect, test } from 'vitest';
import { TensorBoardLog } from '../../src/train/tensorboard-log.js';
import { temporaryFolder } from '../data/made-images.js';

/** The bytes of each record; checks its frame. */
function recordsOf(bytes: Buffer): Buffer[] {
  const masked = (data: Buffer) => {
    const sum = BigInt(new Crc32c().update(data).digest());
    return Number((((sum >> 15n) | (sum << 17n)) + 0xa282ead8n) & 0xffffffffn);
  };
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

test('records as TensorFlow frames them, events as it writes them', () => {
  // The check value of CRC-32C.
  expect(new Crc32c().update(Buffer.from('123456789')).digest()).toBe(0xe3069283);
  const file = join(temporaryFolder(), 'runs', 'events.out.tfevents.a');
  const log = new TensorBoardLog(file, 0);
  log.scalars(300, { 'train/loss': 1.5, 'train/accuracy': null, 'train/nan': Number.NaN });
  log.scalars(301, { nothing: null });
  log.close();
  const [version, scalars, ...more] = recordsOf(readFileSync(file));
  expect(more).toEqual([]);
  // Field 3, a string of 13 bytes; before it field 1, a double.
  expect(version!.subarray(9)).toEqual(Buffer.from('\x1a\x0dbrain.Event:2'));
  expect(version![0]).toBe(0x09);
  // Field 2 is the varint 300; field 5 the summary: field 1 of 17 bytes, in it the tag and a float.
  const value = Buffer.concat([Buffer.from('\x0a\x0atrain/loss\x15'), Buffer.from([0, 0, 0xc0, 0x3f])]);
  expect(scalars!.subarray(9)).toEqual(Buffer.concat([Buffer.from([0x10, 0xac, 0x02, 0x2a, 19, 0x0a, 17]), value]));
});

test('taken back to a checkpoint, it goes on from there', () => {
  const file = join(temporaryFolder(), 'events.out.tfevents.a');
  const log = new TensorBoardLog(file, 0);
  log.scalars(1, { a: 1 });
  const { bytes } = log;
  log.scalars(2, { a: 2 });
  log.close();
  const again = new TensorBoardLog(file, bytes);
  again.scalars(3, { a: 3 });
  again.close();
  const steps = recordsOf(readFileSync(file)).map((record) => (record[9] === 0x10 ? record[10] : 'version'));
  expect(steps).toEqual(['version', 1, 3]);
});
