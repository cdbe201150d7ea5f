import sharp from 'sharp';
import type { RgbImage } from './rgb-image.js';

export type ImageFormat = 'jpg' | 'png';

/**
 * Encodes an image.
 *
 * @param quality - of a JPEG, 1 to 100, colours at full resolution; PNG loses nothing.
 */
export async function encodeImage(image: RgbImage, format: ImageFormat, quality = 95): Promise<Uint8Array> {
  const { width, height, pixels } = image;
  const raw = sharp(pixels, { raw: { width, height, channels: 3 } });
  return (format === 'png' ? raw.png() : raw.jpeg({ quality, chromaSubsampling: '4:4:4' })).toBuffer();
}
