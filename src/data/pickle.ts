import { dataError } from './data-error.js';

/** What a pickle here can hold. Lists and tuples both are arrays. */
export type PickleValue = null | boolean | number | string | Uint8Array | PickleValue[];

/** The callable that Python 3 writes bytes with in protocol 2: bytes = _codecs.encode(text, 'latin1'). Never called. */
const ENCODE = Symbol('_codecs.encode');
const MARK = Symbol('mark');
type StackValue = PickleValue | typeof ENCODE | typeof MARK;

/**
 * Reads a Python pickle of lists, tuples, bytes, strings, numbers and booleans: protocols 2 to 5, and what of the older
 * ones is binary. It is parsed and never executed: any instruction that would import, call or build something is
 * refused by its name. Bytes are views of the input: nothing is allocated for what a length announces.
 *
 * @param place - the file, for messages.
 * @throws {CosFaceError} COSFACE_PICKLE: cut off, or an instruction that is not read, with its byte.
 */
export function parsePickle(bytes: Uint8Array, place: string): PickleValue {
  return new PickleReader(bytes, place).read();
}

class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #place: string;
  readonly #stack: StackValue[] = [];
  readonly #memo = new Map<number, StackValue>();
  #at = 0;
  #instruction = 0;

  constructor(bytes: Uint8Array, place: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#place = place;
  }

  read(): PickleValue {
    for (;;) {
      this.#instruction = this.#at;
      const code = this.#byte();
      if (code === STOP) return this.#result();
      const run = INSTRUCTIONS.get(code);
      if (run) run(this);
      else throw this.refuse(`instruction ${REFUSED[code] ?? `0x${code.toString(16)}`} is not read`);
    }
  }

  refuse(what: string): Error {
    const remedy = 'Only lists, tuples, bytes, strings, numbers and booleans are: nothing in a pickle is executed.';
    return dataError('COSFACE_PICKLE', this.#place, `byte ${this.#instruction}: ${what}. ${remedy}`);
  }

  push(value: StackValue): void {
    this.#stack.push(value);
  }

  pop(): StackValue {
    const value = this.#stack.pop();
    if (value === undefined) throw this.refuse('the stack is empty');
    return value;
  }

  popValue(): PickleValue {
    return this.#asValue(this.pop());
  }

  /** The values above the last mark, which goes too. */
  popMarked(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) throw this.refuse('there is no mark');
    const values = this.#stack.splice(mark).slice(1);
    for (const value of values) this.#asValue(value);
    return values as PickleValue[];
  }

  /** Adds to the list on top of the stack. */
  append(values: readonly PickleValue[]): void {
    const list = this.#stack.at(-1);
    if (!Array.isArray(list)) throw this.refuse('there is no list to append to');
    for (const value of values) {
      if (value === list) throw this.refuse('a list holds itself');
      list.push(value);
    }
  }

  keep(key: number): void {
    const value = this.#stack.at(-1);
    if (value === undefined) throw this.refuse('the stack is empty');
    this.#memo.set(key, value);
  }

  keepNext(): void {
    this.keep(this.#memo.size);
  }

  recall(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) throw this.refuse(`nothing was kept as ${key}`);
    this.push(value);
  }

  unsigned(size: 1 | 2 | 4 | 8): number {
    const at = this.#take(size);
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, true);
    if (size === 4) return this.#view.getUint32(at, true);
    return Number(this.#view.getBigUint64(at, true));
  }

  signed(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  float(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(length: number): string {
    return new TextDecoder().decode(this.bytes(length));
  }

  checkFrame(length: number): void {
    const left = this.#bytes.length - this.#at;
    if (length > left)
      throw this.refuse(`the file is cut off: a frame of ${length} bytes is announced, ${left} are left`);
  }

  /** Up to the end of the line, which is not part of it. */
  line(): string {
    const end = this.#bytes.indexOf(NEW_LINE, this.#at);
    if (end < 0) throw this.refuse('the file is cut off');
    const text = this.text(Math.min(end - this.#at, LONGEST_NAME));
    this.#at = end + 1;
    return text;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  #take(length: number): number {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw this.refuse(`the file is cut off: ${length} more bytes are announced, ${left} are left`);
    this.#at += length;
    return this.#at - length;
  }

  #asValue(value: StackValue): PickleValue {
    if (typeof value === 'symbol') throw this.refuse('a mark or callable stands where a value must');
    return value;
  }

  #result(): PickleValue {
    const value = this.popValue();
    if (this.#stack.length > 0) throw this.refuse(`${this.#stack.length} values are left over`);
    return value;
  }
}

const STOP = 0x2e;
const NEW_LINE = 0x0a;
/** A module's or callable's name in a message. */
const LONGEST_NAME = 200;

type Instruction = (reader: PickleReader) => void;

const INSTRUCTIONS: ReadonlyMap<number, Instruction> = new Map<number, Instruction>([
  [0x80, proto],
  [0x95, frame],
  [0x28, (r) => r.push(MARK)],
  [0x5d, (r) => r.push([])],
  [0x29, (r) => r.push([])],
  [0x61, (r) => r.append([r.popValue()])],
  [0x65, (r) => r.append(r.popMarked())],
  [0x6c, (r) => r.push(r.popMarked())],
  [0x74, (r) => r.push(r.popMarked())],
  [0x85, (r) => tuple(r, 1)],
  [0x86, (r) => tuple(r, 2)],
  [0x87, (r) => tuple(r, 3)],
  [0x4e, (r) => r.push(null)],
  [0x88, (r) => r.push(true)],
  [0x89, (r) => r.push(false)],
  [0x4b, (r) => r.push(r.unsigned(1))],
  [0x4d, (r) => r.push(r.unsigned(2))],
  [0x4a, (r) => r.push(r.signed())],
  [0x47, (r) => r.push(r.float())],
  [0x55, (r) => r.push(r.bytes(r.unsigned(1)))],
  [0x54, (r) => r.push(r.bytes(r.unsigned(4)))],
  [0x43, (r) => r.push(r.bytes(r.unsigned(1)))],
  [0x42, (r) => r.push(r.bytes(r.unsigned(4)))],
  [0x8e, (r) => r.push(r.bytes(r.unsigned(8)))],
  [0x8c, (r) => r.push(r.text(r.unsigned(1)))],
  [0x58, (r) => r.push(r.text(r.unsigned(4)))],
  [0x8d, (r) => r.push(r.text(r.unsigned(8)))],
  [0x71, (r) => r.keep(r.unsigned(1))],
  [0x72, (r) => r.keep(r.unsigned(4))],
  [0x94, (r) => r.keepNext()],
  [0x68, (r) => r.recall(r.unsigned(1))],
  [0x6a, (r) => r.recall(r.unsigned(4))],
  [0x63, global],
  [0x52, reduce],
]);

/** Names of instructions that are refused, for the message. */
const REFUSED: Readonly<Record<number, string>> = {
  105: 'INST',
  111: 'OBJ',
  98: 'BUILD',
  129: 'NEWOBJ',
  146: 'NEWOBJ_EX',
  147: 'STACK_GLOBAL',
  130: 'EXT1',
  131: 'EXT2',
  132: 'EXT4',
  80: 'PERSID',
  81: 'BINPERSID',
  125: 'EMPTY_DICT',
  100: 'DICT',
  115: 'SETITEM',
  117: 'SETITEMS',
  143: 'EMPTY_SET',
  150: 'BYTEARRAY8',
  151: 'NEXT_BUFFER',
  83: 'STRING (protocol 0)',
  73: 'INT (protocol 0)',
  112: 'PUT (protocol 0)',
};

function proto(reader: PickleReader): void {
  const protocol = reader.unsigned(1);
  if (protocol > 5) throw reader.refuse(`protocol ${protocol} is not known, expected at most 5`);
}

/** A frame only helps a reader that buffers; that it announces more than there is means a cut file. */
function frame(reader: PickleReader): void {
  reader.checkFrame(reader.unsigned(8));
}

function tuple(reader: PickleReader, size: number): void {
  const values = Array.from({ length: size }, () => reader.popValue());
  reader.push(values.reverse());
}

function global(reader: PickleReader): void {
  const [module, name] = [reader.line(), reader.line()];
  if (module !== '_codecs' || name !== 'encode') {
    throw reader.refuse(`instruction GLOBAL asks for ${JSON.stringify(`${module}.${name}`)}, which is not read`);
  }
  reader.push(ENCODE);
}

/** Bytes as text, one character a byte; any other call is refused. */
function reduce(reader: PickleReader): void {
  const values = reader.popValue();
  const callable = reader.pop();
  const [text, encoding] = Array.isArray(values) && values.length === 2 ? values : [];
  if (callable !== ENCODE || typeof text !== 'string' || encoding !== 'latin1') {
    throw reader.refuse('instruction REDUCE asks for a call, which is not made');
  }
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.toString('latin1') !== text) throw reader.refuse('bytes that were written as text have wide characters');
  reader.push(bytes);
}
