import { dataError } from './data-error.js';
import { contentLines } from './text-lines.js';

/** Where each key's record begins, by ascending key. */
export class RecordIndex {
  readonly keys: Float64Array;
  readonly #offsets: Float64Array;

  constructor(keys: Float64Array, offsets: Float64Array) {
    this.keys = keys;
    this.#offsets = offsets;
  }

  /** The place of a key among the keys, or -1. */
  find(key: number): number {
    let [low, high] = [0, this.keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return this.keys[low] === key ? low : -1;
  }

  /** The byte offset of a key's record, or `undefined` where the index has no such key. */
  offsetOf(key: number): number | undefined {
    return this.#offsets[this.find(key)];
  }
}

/**
 * Reads an .idx file: `key<TAB>byte offset` a line, in any order.
 *
 * @param recordBytes - the size of its .rec file, which offsets must lie within.
 * @throws {CosFaceError} COSFACE_RECORD with file and line; COSFACE_FILE.
 */
export async function readRecordIndex(path: string, recordBytes: number): Promise<RecordIndex> {
  const keys = new NumberList();
  const offsets = new NumberList();
  let ascending = true;
  for (const { text, place } of contentLines({ file: path }, 'COSFACE_RECORD')) {
    const [, key, offset] = /^(\d{1,15})\s+(\d{1,15})\s*$/.exec(text) ?? [];
    if (key === undefined || offset === undefined) {
      throw dataError('COSFACE_RECORD', place, `'${text.slice(0, 80)}' is not of the form 'key<TAB>byte offset'.`);
    }
    if (Number(offset) >= recordBytes) {
      const what = `offset ${offset} lies beyond the .rec file, which has ${recordBytes} bytes. Get both files anew.`;
      throw dataError('COSFACE_RECORD', place, what);
    }
    ascending &&= keys.length === 0 || Number(key) > keys.last;
    keys.push(Number(key));
    offsets.push(Number(offset));
  }
  if (keys.length === 0) throw dataError('COSFACE_RECORD', path, 'it has no keys.');
  if (ascending) return new RecordIndex(keys.values(), offsets.values());
  return sorted(keys.values(), offsets.values(), path);
}

function sorted(keys: Float64Array, offsets: Float64Array, path: string): RecordIndex {
  const order = Uint32Array.from(keys.keys()).sort((a, b) => (keys[a] as number) - (keys[b] as number));
  const byKey = Float64Array.from(order, (at) => keys[at] as number);
  const twice = byKey.findIndex((key, at) => at > 0 && byKey[at - 1] === key);
  if (twice >= 0) throw dataError('COSFACE_RECORD', path, `key ${byKey[twice]} comes twice.`);
  return new RecordIndex(
    byKey,
    Float64Array.from(order, (at) => offsets[at] as number),
  );
}

/** Numbers in a typed array that grows: millions of them in a plain array would take several times the memory. */
class NumberList {
  length = 0;
  #values = new Float64Array(1024);

  get last(): number {
    return this.#values[this.length - 1] as number;
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  values(): Float64Array {
    return this.#values.slice(0, this.length);
  }
}
