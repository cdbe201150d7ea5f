import { createHash } from 'node:crypto';
import fc from 'fast-check';

/** What is done to a file's bytes, in turn. */
export type Damage =
  | { kind: 'set'; at: number; bytes: Uint8Array }
  | { kind: 'cut'; at: number; count: number }
  | { kind: 'insert'; at: number; bytes: Uint8Array }
  | { kind: 'double'; at: number; count: number }
  | { kind: 'end'; at: number };

/** Lengths that lie: 0, small, just below and above powers of two, little-endian. */
const LIES: fc.Arbitrary<Uint8Array> = fc
  .constantFrom(0, 1, 127, 128, 255, 65535, 2 ** 24, 2 ** 29 - 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1)
  .map((value) => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
const TEXTS: fc.Arbitrary<Uint8Array> = fc
  .constantFrom(
    '../',
    '/etc/passwd',
    '\0',
    '\n',
    '\t',
    '1e309',
    '-1',
    'NaN',
    '99999999999999999999',
    '{',
    '"',
    '\u2028',
    '%s',
  )
  .map((text) => new TextEncoder().encode(text));
const BYTES = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 8 }), LIES, TEXTS);

const place = fc.double({ min: 0, max: 1, noNaN: true });
export const DAMAGE: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: place, bytes: BYTES }),
  fc.record({ kind: fc.constant('cut' as const), at: place, count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: BYTES }),
  fc.record({ kind: fc.constant('double' as const), at: place, count: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('end' as const), at: place }),
);

export function damaged(whole: Uint8Array, damage: readonly Damage[]): Buffer {
  let bytes = Buffer.from(whole);
  for (const step of damage) {
    const at = Math.floor(step.at * bytes.length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    if (step.kind === 'set') bytes = Buffer.concat([before, step.bytes, after.subarray(step.bytes.length)]);
    else if (step.kind === 'cut') bytes = Buffer.concat([before, after.subarray(step.count)]);
    else if (step.kind === 'insert') bytes = Buffer.concat([before, step.bytes, after]);
    else if (step.kind === 'double') bytes = Buffer.concat([before, after.subarray(0, step.count), after]);
    else bytes = before;
  }
  return bytes;
}

/** With the hash at the end that these bytes have, so that what lies behind the hash's check is reached too. */
export function sealed(bytes: Buffer): Buffer {
  const body = bytes.subarray(0, Math.max(0, bytes.length - 32));
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}
