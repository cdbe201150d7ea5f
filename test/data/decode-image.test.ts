import sharp from 'sharp';
import { expect, test } from 'vitest';
import { decodeImage } from '../../src/data/decode-image.js';
import { encodeImage } from '../../src/data/encode-image.js';
import { CosFaceError } from '../../src/native/errors.js';
import { encoded, madeImage, refusal } from './made-images.js';

const meanDifference = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0) / a.length;

test.each([
  ['png', 0],
  ['jpeg', 6],
  ['webp', 6],
] as const)('%s', async (format, most) => {
  const image = madeImage(24, 28);
  const decoded = await decodeImage(await encoded(image, format), 'a');
  expect([decoded.width, decoded.height]).toEqual([24, 28]);
  expect(meanDifference(decoded.pixels, image.pixels)).toBeLessThanOrEqual(most);
});

function map(head: string, ...samples: number[]): Uint8Array {
  return Buffer.concat([Buffer.from(head), Uint8Array.from(samples)]);
}

test('PGM and PPM: grey, comments, other maxima, 16 bits', async () => {
  const pixels = async (bytes: Uint8Array) => [...(await decodeImage(bytes, 'a.pgm')).pixels];
  expect(await pixels(map('P5\n2 1\n255\n', 7, 200))).toEqual([7, 7, 7, 200, 200, 200]);
  expect(await pixels(map('P5 # a\n# b\n1 1 # c\n100\n', 50))).toEqual([128, 128, 128]);
  expect(await pixels(map('P5\n1 1\n65535\n', 0x80, 0))).toEqual([128, 128, 128]);
  expect(await pixels(map('P6\n1 2\n255\n', 1, 2, 3, 4, 5, 6))).toEqual([1, 2, 3, 4, 5, 6]);
  const { width, height } = await decodeImage(map('P5\n2 2\n255\n', 1, 2, 3, 4), 'a', { width: 6, height: 4 });
  expect([width, height]).toEqual([6, 4]);
});

test('grey, transparent, CMYK, 16 bits and turned pictures all become upright RGB', async () => {
  const { width, height, pixels } = madeImage(24, 28);
  const raw = () => sharp(pixels, { raw: { width, height, channels: 3 } });
  const variants = {
    grey: await raw().greyscale().toColourspace('b-w').png().toBuffer(),
    transparent: await raw().ensureAlpha(0.5).png().toBuffer(),
    cmyk: await raw().toColourspace('cmyk').jpeg().toBuffer(),
    deep: await raw().toColourspace('rgb16').png().toBuffer(),
    turned: await raw().jpeg().withMetadata({ orientation: 6 }).toBuffer(),
  };
  for (const [name, bytes] of Object.entries(variants)) {
    const image = await decodeImage(bytes, name);
    expect([image.width, image.height], name).toEqual(name === 'turned' ? [28, 24] : [24, 28]);
    expect(image.pixels.length, name).toBe(24 * 28 * 3);
  }
  const deep = await decodeImage(variants.deep, 'deep');
  expect(meanDifference(deep.pixels, pixels)).toBeLessThan(1);
});

test('resizing keeps to the size that is asked for', async () => {
  const { pixels, width, height } = await decodeImage(await encoded(madeImage(40, 50), 'png'), 'a', {
    width: 96,
    height: 112,
  });
  expect([width, height, pixels.length]).toEqual([96, 112, 96 * 112 * 3]);
});

test.each([
  { name: 'empty', bytes: new Uint8Array(), says: 'a.jpg: it is empty' },
  { name: 'text', bytes: Buffer.from('hello'), says: 'it begins with 68656c6c6f' },
  {
    name: 'SVG, which could name other files',
    bytes: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'),
    says: 'no JPEG',
  },
  { name: 'GIF', bytes: Buffer.from('GIF89a'), says: 'no JPEG' },
  { name: 'a PGM with a lying size', bytes: map('P5\n90000 90000\n255\n', 1), says: 'its size is 90000 x 90000' },
  { name: 'a PGM of nothing', bytes: map('P5\n0 9\n255\n', 1), says: 'its size is 0 x 9' },
  { name: 'a short PGM', bytes: map('P5\n2 2\n255\n', 1, 2, 3), says: '4 bytes of pixels are needed, 3 are there' },
  { name: 'a PGM with a maximum of 0', bytes: map('P5\n1 1\n0\n', 1), says: 'largest value is 0' },
  { name: 'a PGM without numbers', bytes: map('P5\nx\n'), says: 'its header is cut off' },
])('$name', async ({ bytes, says }) => {
  const error = await refusal(decodeImage(bytes, 'a.jpg'));
  expect([error.code, error.message]).toEqual(['COSFACE_IMAGE', expect.stringContaining(says)]);
});

test('a PNG whose header announces more pixels than are decoded', async () => {
  const png = Buffer.from(await encoded(madeImage(8, 8), 'png'));
  png.writeUInt32BE(60_000, 16);
  png.writeUInt32BE(60_000, 20);
  expect((await refusal(decodeImage(png, 'bomb.png'))).message).toMatch(/^COSFACE_IMAGE: bomb\.png/);
});

test.each([['jpeg'], ['png'], ['webp']] as const)('a %s that is cut off, at every length', async (format) => {
  const whole = await encoded(madeImage(16, 16), format);
  const image = await decodeImage(whole, 'whole');
  for (let length = 0; length < whole.length; length++) {
    const outcome = await decodeImage(whole.subarray(0, length), `cut ${length}`).catch((error: Error) => error);
    if (outcome instanceof Error) {
      expect(outcome).toBeInstanceOf(CosFaceError);
      expect(outcome.message).toMatch(new RegExp(`^COSFACE_IMAGE: cut ${length}: `));
    } else {
      // What is missing is no part of the picture: the mark of the end, or padding.
      expect(whole.length - length, `${length} of ${whole.length}`).toBeLessThanOrEqual(format === 'png' ? 16 : 2);
      expect(outcome.pixels).toEqual(image.pixels);
    }
  }
});

test('a JPEG with damage is refused or decoded to its size', async () => {
  const whole = await encoded(madeImage(32, 32));
  for (let at = 2; at < whole.length; at += 7) {
    const damaged = Uint8Array.from(whole);
    damaged[at] = (damaged[at] as number) ^ 0xff;
    const outcome = await decodeImage(damaged, 'damaged').catch((error: Error) => error);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(CosFaceError);
    else expect(outcome.pixels.length).toBe(outcome.width * outcome.height * 3);
  }
});

test('what is encoded as PNG comes back bit for bit', async () => {
  const image = madeImage(20, 10);
  expect(await decodeImage(await encodeImage(image, 'png'), 'a')).toEqual({ ...image, pixels: expect.anything() });
  expect(
    Buffer.from((await decodeImage(await encodeImage(image, 'png'), 'a')).pixels).equals(Buffer.from(image.pixels)),
  ).toBe(true);
});
