import { Crc32c } from '@aws-crypto/crc32c';
import protobuf from 'protobufjs';
import { AppendFile } from './append-file.js';

// The few fields of tensorflow/core/util/event.proto and framework/summary.proto that scalars need.
const EVENT: protobuf.Type = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
      },
    },
    Summary: { fields: { value: { rule: 'repeated', type: 'Value', id: 1 } } },
    Value: { fields: { tag: { type: 'string', id: 1 }, simpleValue: { type: 'float', id: 2 } } },
  },
}).lookupType('Event');

/** TensorBoard takes every file with `tfevents` in its name. */
export const TENSORBOARD_FILE = 'events.out.tfevents.cosface';

/** Scalars for TensorBoard: `tensorboard --logdir runs`. */
export class TensorBoardLog {
  readonly #file: AppendFile;

  /** @param keep - bytes of an older file that stay. */
  constructor(path: string, keep: number) {
    this.#file = new AppendFile(path, keep);
    if (this.#file.bytes === 0) this.#write({ fileVersion: 'brain.Event:2' });
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  /** Values that are no finite numbers are left out. */
  scalars(step: number, values: Readonly<Record<string, number | null>>): void {
    const value = Object.entries(values)
      .filter(([, simpleValue]) => Number.isFinite(simpleValue))
      .map(([tag, simpleValue]) => ({ tag, simpleValue }));
    if (value.length > 0) this.#write({ step, summary: { value } });
  }

  close(): void {
    this.#file.close();
  }

  #write(event: object): void {
    this.#file.append(tfRecord(EVENT.encode(EVENT.create({ wallTime: Date.now() / 1000, ...event })).finish()));
  }
}

/** A record as TensorFlow frames it: length, its checksum, data, its checksum. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length));
  record.writeUInt32LE(maskedChecksum(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedChecksum(data), 12 + data.length);
  return record;
}

/** tensorflow/core/lib/hash/crc32c.h: turned and shifted, so that a checksum of data with checksums is not weak. */
function maskedChecksum(data: Uint8Array): number {
  const sum = new Crc32c().update(data).digest();
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}
