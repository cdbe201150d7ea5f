import sharp from 'sharp';
import { dataError } from './data-error.js';
import { decodePortableMap, isPortableMap } from './portable-map.js';
import type { RgbImage } from './rgb-image.js';

/** Pixels of the largest image that is decoded: a small file can announce a picture that fills the memory. */
export const LARGEST_IMAGE_PIXELS: number = 100_000_000;

export interface ImageSize {
  width: number;
  height: number;
}

/**
 * Decodes a JPEG, PNG, WebP, PGM or PPM to 8-bit sRGB: upright by its EXIF note, grey and CMYK turned to RGB, what is
 * transparent on black, the first picture of several. The kind is told by the bytes, never by the name, and no other
 * kind reaches a decoder.
 *
 * @param size - resizes to exactly this, by Lanczos; the proportions are the caller's business. Default: as it is.
 * @param name - the image, for messages.
 * @throws {CosFaceError} COSFACE_IMAGE: no such image, cut off, damaged, or larger than 100 megapixels.
 * @example const { pixels } = await decodeImage(bytes, 'a.jpg', { width: 96, height: 112 });
 */
export async function decodeImage(bytes: Uint8Array, name: string, size?: ImageSize): Promise<RgbImage> {
  if (bytes.length === 0) throw dataError('COSFACE_IMAGE', name, 'it is empty.');
  const map = isPortableMap(bytes) ? decodePortableMap(bytes, name, LARGEST_IMAGE_PIXELS) : undefined;
  if (map && (!size || (map.width === size.width && map.height === size.height))) return map;
  if (!map && !isKnown(bytes)) {
    const start = Buffer.from(bytes.subarray(0, 8)).toString('hex');
    throw dataError('COSFACE_IMAGE', name, `it begins with ${start}: that is no JPEG, PNG, WebP, PGM or PPM.`);
  }
  const raw = map && { raw: { width: map.width, height: map.height, channels: 3 as const } };
  let image = sharp(map ? map.pixels : bytes, { ...raw, failOn: 'error', limitInputPixels: LARGEST_IMAGE_PIXELS });
  if (!map) image = image.autoOrient();
  if (size) image = image.resize(size.width, size.height, { fit: 'fill' });
  try {
    const { data, info } = await image.flatten().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, pixels: threeChannels(data, info.channels) };
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw dataError('COSFACE_IMAGE', name, `it cannot be decoded: ${reason}.`, cause);
  }
}

/** The first bytes of JPEG, PNG and WebP (RIFF....WEBP). */
function isKnown(bytes: Uint8Array): boolean {
  const begins = (mark: string, at = 0) => [...mark].every((char, i) => bytes[at + i] === char.charCodeAt(0));
  return begins('\xff\xd8\xff') || begins('\x89PNG\r\n\x1a\n') || (begins('RIFF') && begins('WEBP', 8));
}

/** A grey picture may stay one channel. */
function threeChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = new Uint8Array((data.length / channels) * 3);
  for (let from = 0, to = 0; from < data.length; from += channels, to += 3) {
    pixels.fill(data[from] as number, to, to + 3);
  }
  return pixels;
}
