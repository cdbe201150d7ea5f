import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readNpy } from '../../src/data/read-npy.js';
import { npy, temporaryFolder } from '../evaluate/feature-files.js';

const folder = temporaryFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'features.npy');

function read(bytes: Buffer) {
  writeFileSync(file, bytes);
  return readNpy({ file, argument: '--features' });
}

describe('what NumPy writes', () => {
  test('float32 comes back bit by bit', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(float, float, float), { minLength: 1, maxLength: 9 }), (rows) => {
        const values = Float32Array.from(rows.flat());
        expect(read(npy([rows.length, 3], values))).toEqual({ values, rows: rows.length, dim: 3, dtype: 'float32' });
      }),
      { numRuns: 50 },
    );
  });

  test('float64 is rounded to float32', () => {
    const { values, dtype } = read(npy([1, 2], Float64Array.of(0.1, -1e-3), '<f8'));
    expect([dtype, ...values]).toEqual(['float64', Math.fround(0.1), Math.fround(-1e-3)]);
  });

  test('float16: one, least subnormal, largest, minus a third', () => {
    const { values, dtype } = read(npy([2, 2], Uint16Array.of(0x3c00, 0x0001, 0x7bff, 0xb555), '<f2'));
    expect([dtype, ...values]).toEqual(['float16', 1, 2 ** -24, 65504, -0.333251953125]);
  });

  test('more than one piece of 4 MiB', () => {
    const values = Float32Array.from({ length: 3 * 500_001 }, (_, i) => i);
    const found = read(npy([500_001, 3], values)).values;
    expect(Buffer.compare(new Uint8Array(found.buffer), new Uint8Array(values.buffer))).toBe(0);
  });

  test('version 2 has a header length of four bytes', () => {
    const one = npy([1, 1], Float32Array.of(7));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(one.readUInt16LE(8));
    expect(read(Buffer.concat([Buffer.from('\x93NUMPY\x02\x00', 'latin1'), length, one.subarray(10)])).values[0]).toBe(
      7,
    );
  });
});

describe('what is refused, with the file and a remedy', () => {
  const four = Float32Array.of(1, 2, 3, 4);
  test.each([
    { name: 'another file', bytes: Buffer.from('hello, this is no matrix'), says: 'this is no .npy file' },
    { name: 'empty', bytes: Buffer.alloc(0), says: 'this is no .npy file' },
    { name: 'cut off', bytes: npy([2, 2], four).subarray(0, -1), says: 'takes 16 bytes, but 15 follow' },
    { name: 'longer', bytes: npy([1, 2], four), says: 'takes 8 bytes, but 16 follow' },
    { name: 'a lying shape', bytes: npy([2 ** 40, 512], four), says: 'bytes, but 16 follow' },
    { name: 'Fortran order', bytes: npy([2, 2], four, '<f4', 'True'), says: 'Fortran order' },
    { name: 'integers', bytes: npy([2, 2], four, '<i4'), says: 'type <i4' },
    { name: 'big-endian', bytes: npy([2, 2], four, '>f4'), says: 'type >f4' },
    { name: 'one axis', bytes: npy([4], four), says: 'the shape is (4)' },
    { name: 'three axes', bytes: npy([1, 2, 2], four), says: 'the shape is (1, 2, 2)' },
    { name: 'no rows', bytes: npy([0, 2], new Float32Array()), says: 'at least one' },
    { name: 'version 9', bytes: Buffer.from('\x93NUMPY\x09\x00\x00\x00\x00\x00', 'latin1'), says: 'version 9' },
    { name: 'a lying header', bytes: Buffer.from('\x93NUMPY\x01\x00\xff\xff__', 'latin1'), says: 'claims 65535 bytes' },
  ])('$name', ({ bytes, says }) => {
    const message = () => read(bytes);
    expect(message).toThrow(says);
    expect(message).toThrow(`COSFACE_DATA: ${file}: `);
    expect(message).toThrow('numpy.save');
  });

  test.each([
    { name: 'NaN', values: Float32Array.of(1, 2, 3, Number.NaN), descr: '<f4' },
    { name: 'an infinity', values: Float32Array.of(1, 2, 3, -Infinity), descr: '<f4' },
    { name: 'a double beyond float32', values: Float64Array.of(1, 2, 3, 1e300), descr: '<f8' },
  ])('$name, by row and column', ({ values, descr }) => {
    expect(() => read(npy([2, 2], values, descr))).toThrow(`COSFACE_NOT_FINITE: ${file}: row 1, column 1 (from 0) is`);
  });

  test('no file, or a folder', () => {
    expect(() => readNpy({ file: join(folder, 'none.npy') })).toThrow('COSFACE_FILE: ');
    expect(() => readNpy({ file: folder })).toThrow('is a folder, expected a file');
  });

  test('arbitrary changes of a good file give figures or an error of ours, never another', () => {
    const good = npy([2, 2], four);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
        const bytes = Buffer.from(good.subarray(0, end));
        if (at < end) bytes[at] = byte;
        try {
          expect(read(bytes).values).toHaveLength(4);
        } catch (error) {
          expect(String((error as Error).message)).toMatch(/^COSFACE_(DATA|NOT_FINITE): /);
        }
      }),
      { numRuns: 300 },
    );
  });
});
