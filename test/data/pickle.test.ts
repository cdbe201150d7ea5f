import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePickle } from '../../src/data/pickle.js';
import { readVerificationBin } from '../../src/data/verification-bin.js';
import { CosFaceError } from '../../src/native/errors.js';
import { encoded, madeImage, refusal, temporaryFolder } from './made-images.js';
import { pythonThree, pythonTwo, u32 } from './made-pickles.js';

const ascii = (text: string) => [...Buffer.from(text, 'latin1')];
const parse = (...bytes: number[]) => parsePickle(Uint8Array.from(bytes), 'lfw.bin');

describe('verification sets', () => {
  test.each([
    ['Python 2', pythonTwo],
    ['Python 3', pythonThree],
  ])('of %s', async (_, write) => {
    const path = join(temporaryFolder(), 'lfw.bin');
    const images = await Promise.all([0, 30, 60, 90].map((kind) => encoded(madeImage(12, 12, kind))));
    writeFileSync(path, write(images, [true, false]));
    const set = await readVerificationBin(path);
    expect(set.same).toEqual([true, false]);
    expect(set.images.map((image) => [...image])).toEqual(images.map((image) => [...image]));
  });

  test.each([
    { bytes: [0x5d, 0x5d, 0x86, 0x2e], says: 'it has 0 images for 0 pairs' },
    { bytes: [0x5d, 0x2e], says: 'it is no pair of lists' },
    { bytes: [0x28, 0x4b, 1, 0x4b, 2, 0x6c, 0x28, 0x88, 0x6c, 0x86, 0x2e], says: 'images[0] is not bytes' },
    { bytes: [0x28, 0x43, 1, 65, 0x6c, 0x28, 0x88, 0x6c, 0x86, 0x2e], says: 'it has 1 images for 1 pairs' },
    { bytes: [0x28, 0x6c, 0x28, 0x4b, 2, 0x6c, 0x86, 0x2e], says: 'same[0] is not a boolean' },
  ])('that are none: $says', async ({ bytes, says }) => {
    const path = join(temporaryFolder(), 'bad.bin');
    writeFileSync(path, Uint8Array.from(bytes));
    const error = await refusal(readVerificationBin(path));
    expect(error.code).toBe('COSFACE_PICKLE');
    expect(error.message).toContain(says);
  });

  test.each([
    ['Python 2', pythonTwo],
    ['Python 3', pythonThree],
  ])('cut off at every length, %s', async (_, write) => {
    const path = join(temporaryFolder(), 'cut.bin');
    const whole = write([Uint8Array.of(1, 2, 3), new Uint8Array(300)], [true]);
    for (let length = 1; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const error = await refusal(readVerificationBin(path));
      expect(error.message, `${length}`).toMatch(/^COSFACE_PICKLE: .*cut\.bin: byte \d+: .*cut off/);
    }
  });
});

describe('nothing is executed', () => {
  const run = ascii("cos\nsystem\n(S'true'\ntR.");
  test.each([
    { bytes: run, says: 'instruction GLOBAL asks for "os.system"' },
    { bytes: [0x80, 4, ...ascii('\x8c\x02os\x8c\x06system'), 0x93, 0x2e], says: 'instruction STACK_GLOBAL' },
    { bytes: [0x28, ...ascii('ios\nsystem\n'), 0x2e], says: 'instruction INST' },
    { bytes: [0x28, 0x6f, 0x2e], says: 'instruction OBJ' },
    { bytes: [0x5d, 0x5d, 0x62, 0x2e], says: 'instruction BUILD' },
    { bytes: [0x5d, 0x29, 0x81, 0x2e], says: 'instruction NEWOBJ' },
    { bytes: [0x82, 1, 0x2e], says: 'instruction EXT1' },
    { bytes: [0x51, 0x2e], says: 'instruction BINPERSID' },
    { bytes: [0x7d, 0x2e], says: 'instruction EMPTY_DICT' },
    { bytes: [0x5d, 0x29, 0x52, 0x2e], says: 'instruction REDUCE asks for a call' },
    { bytes: ascii('c_codecs\nencode\n.'), says: 'a mark or callable stands where a value must' },
    { bytes: ascii('c_codecs\nencode\n(NNtR.'), says: 'instruction REDUCE asks for a call' },
    { bytes: ascii('c_codecs\nencode\n\x29R.'), says: 'instruction REDUCE asks for a call' },
    { bytes: [0xff], says: 'instruction 0xff' },
  ])('$says', ({ bytes, says }) => {
    expect(() => parse(...bytes)).toThrow(says);
    expect(() => parse(...bytes)).toThrow(/^COSFACE_PICKLE: lfw\.bin: byte \d+: .*nothing in a pickle is executed/);
  });

  test('bytes as Python 3 writes them in protocol 2 are read without a call', () => {
    const utf8 = [...Buffer.from('\xff\xd8A', 'utf8')];
    const value = parse(
      ...[0x80, 2, ...ascii('c_codecs\nencode\n'), 0x71, 0],
      ...[0x58, ...u32(utf8.length), ...utf8, 0x58, ...u32(6), ...ascii('latin1'), 0x86, 0x52, 0x2e],
    );
    expect([...(value as Uint8Array)]).toEqual([0xff, 0xd8, 0x41]);
  });
});

describe('lengths that lie', () => {
  test.each([
    { name: 'BINBYTES8 of 2^63 bytes', bytes: [0x8e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x2e] },
    { name: 'BINBYTES of 4 GiB', bytes: [0x42, 255, 255, 255, 255, 0x2e] },
    { name: 'BINUNICODE8', bytes: [0x8d, 255, 255, 255, 255, 255, 255, 255, 255, 0x2e] },
    { name: 'FRAME', bytes: [0x95, 255, 255, 255, 255, 255, 255, 255, 255, 0x5d, 0x2e] },
  ])('$name', ({ bytes }) => {
    expect(() => parse(...bytes)).toThrow('the file is cut off');
  });

  test.each([
    { bytes: [0x65, 0x2e], says: 'there is no mark' },
    { bytes: [0x61, 0x2e], says: 'the stack is empty' },
    { bytes: [0x4e, 0x4e, 0x61, 0x2e], says: 'there is no list' },
    { bytes: [0x68, 7, 0x2e], says: 'nothing was kept as 7' },
    { bytes: [0x71, 7, 0x2e], says: 'the stack is empty' },
    { bytes: [0x4e, 0x4e, 0x2e], says: '1 values are left over' },
    { bytes: [0x80, 9, 0x2e], says: 'protocol 9 is not known' },
    { bytes: [0x5d, 0x71, 0, 0x68, 0, 0x61, 0x2e], says: 'a list holds itself' },
    { bytes: [0x28, 0x2e], says: 'a mark or callable' },
  ])('$says', ({ bytes, says }) => {
    expect(() => parse(...bytes)).toThrow(says);
  });
});

test('values of every kind', () => {
  expect(parse(0x28, 0x4b, 200, 0x4d, 1, 2, 0x4a, 255, 255, 255, 255, 0x4e, 0x88, 0x89, 0x74, 0x2e)).toEqual([
    200,
    513,
    -1,
    null,
    true,
    false,
  ]);
  expect(parse(0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x85, 0x2e)).toEqual([1.5]);
  expect(parse(0x4b, 1, 0x94, 0x68, 0, 0x4b, 3, 0x87, 0x2e)).toEqual([1, 1, 3]);
});

test('any bytes at all: read, or refused with words', () => {
  const codes = [
    0x28, 0x5d, 0x29, 0x61, 0x65, 0x6c, 0x74, 0x85, 0x86, 0x94, 0x68, 0x71, 0x43, 0x63, 0x52, 0x4e, 0x2e, 0,
  ];
  const anything = fc.array(fc.oneof(fc.constantFrom(...codes), fc.nat(255)), { maxLength: 40 });
  fc.assert(
    fc.property(anything, (bytes) => {
      try {
        parse(...bytes);
      } catch (error) {
        expect(error, (error as Error).stack ?? '').toBeInstanceOf(CosFaceError);
      }
    }),
    { numRuns: 5000 },
  );
});
