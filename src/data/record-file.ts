import { type FileHandle, open } from 'node:fs/promises';
import { dataError, fileError } from './data-error.js';

// RecordIO, as dmlc-core's recordio.h has it; all numbers little-endian:
//
//   u32 magic | u32 flag << 29 | length | length bytes | zeros up to a multiple of 4
//
// flag 0 is a whole record. 1, 2, 3 are the first, a middle and the last part of one whose bytes have the magic number
// at a multiple of 4: it is left out there, and put back between the parts when they are joined.

const MAGIC = 0xced7230a;
const PART_HEADER = 8;
const LENGTH_BITS = 29;
/** Bytes of the largest record that is read: an image, or the labels of an index record. */
const LARGEST_RECORD: number = 128 * 2 ** 20;
/** Read at once where a record's length is not known yet: most aligned faces are smaller. */
const FIRST_READ = 16_384;

/** A .rec file: records at byte offsets. Reads of several records may run at once. */
export class RecordFile {
  readonly path: string;
  readonly bytes: number;
  readonly #file: FileHandle;

  private constructor(path: string, bytes: number, file: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.#file = file;
  }

  static async open(path: string): Promise<RecordFile> {
    const file = await open(path, 'r').catch((cause) => {
      throw fileError(path, cause);
    });
    const status = await file.stat();
    if (status.isFile() && status.size > 0) return new RecordFile(path, status.size, file);
    await file.close();
    throw dataError('COSFACE_RECORD', path, status.isFile() ? 'it is empty.' : 'it is not a file.');
  }

  /**
   * The bytes of the record at an offset, or the first `most` of them.
   *
   * @throws {CosFaceError} COSFACE_RECORD: there is no record, or it reaches beyond the end of the file.
   */
  async read(offset: number, most: number = LARGEST_RECORD): Promise<Uint8Array> {
    const first = await this.#readPart(offset, most, 0);
    if (first.flag === 0) return first.data;
    if (first.flag !== 1) throw this.#refuse(offset, `it begins with part ${first.flag} of a record, expected 0 or 1`);
    const parts = [first.data];
    let total = first.data.length;
    for (let { next } = first, flag = 1; flag !== 3 && total < most; ) {
      const part = await this.#readPart(next, most, total + 4);
      if (part.flag !== 2 && part.flag !== 3) {
        throw this.#refuse(next, `part ${part.flag} within the record at ${offset}, expected 2 or 3`);
      }
      parts.push(MAGIC_BYTES, part.data);
      total += 4 + part.data.length;
      [next, flag] = [part.next, part.flag];
    }
    return Buffer.concat(parts).subarray(0, most);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** `before` bytes of the record have been read already. */
  async #readPart(
    offset: number,
    most: number,
    before: number,
  ): Promise<{ flag: number; data: Uint8Array; next: number }> {
    const room = this.bytes - offset - PART_HEADER;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset % 4 !== 0 || room < 0) {
      throw this.#refuse(offset, `expected a multiple of 4 below ${this.bytes - PART_HEADER + 1}`);
    }
    const head = await this.#bytes(offset, Math.min(PART_HEADER + Math.min(room, most), FIRST_READ));
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const magic = view.getUint32(0, true);
    if (magic !== MAGIC) {
      throw this.#refuse(
        offset,
        `it begins with 0x${magic.toString(16)}, expected the record mark 0x${MAGIC.toString(16)}`,
      );
    }
    const word = view.getUint32(4, true);
    const [flag, length] = [word >>> LENGTH_BITS, word % 2 ** LENGTH_BITS];
    if (length > room) throw this.#refuse(offset, `its length is ${length} bytes, but the file has ${room} more`);
    if (before + length > LARGEST_RECORD) {
      throw this.#refuse(offset, `it has ${before + length} bytes, expected at most ${LARGEST_RECORD}`);
    }
    const wanted = Math.min(length, most);
    const end = PART_HEADER + wanted;
    const data = end <= head.length ? head.subarray(PART_HEADER, end) : await this.#bytes(offset + PART_HEADER, wanted);
    return { flag, data, next: offset + PART_HEADER + Math.ceil(length / 4) * 4 };
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, offset).catch((cause) => {
      throw fileError(this.path, cause);
    });
    if (bytesRead < length) throw this.#refuse(offset, 'the file ends earlier than it did when it was opened');
    return bytes;
  }

  #refuse(offset: number, what: string): Error {
    return dataError(
      'COSFACE_RECORD',
      this.path,
      `record at byte ${offset}: ${what}. The file or its .idx is damaged.`,
    );
  }
}

const MAGIC_BYTES: Uint8Array = Uint8Array.of(0x0a, 0x23, 0xd7, 0xce);
