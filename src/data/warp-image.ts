import type { RgbImage } from './rgb-image.js';

/** From a pixel of the result to a place in the source: x' = xx x + xy y + x0, y' = yx x + yy y + y0. */
export interface AffineMap {
  xx: number;
  xy: number;
  x0: number;
  yx: number;
  yy: number;
  y0: number;
}

export type Border = 'black' | 'nearest';

/** Pixels that can be read; those of a decoded image, or ones between operations. */
export interface Pixels {
  width: number;
  height: number;
  /** [height, width, 3] */
  pixels: Uint8Array | Float32Array;
}

/**
 * Draws an image through an affine map: bilinear between the middles of pixels, as OpenCV's warpAffine.
 *
 * @param border - what lies outside the source: black (blended over one pixel), or the nearest pixel inside.
 * @param into - [height, width, 3], written; a Uint8Array gets whole numbers by rounding.
 */
export function warpImage(source: Pixels, map: AffineMap, into: Pixels, border: Border = 'black'): void {
  const { width, height, pixels } = source;
  const rounded = into.pixels instanceof Uint8Array ? 0.5 : 0;
  for (let row = 0, to = 0; row < into.height; row++) {
    for (let column = 0; column < into.width; column++, to += 3) {
      const x = map.xx * column + map.xy * row + map.x0;
      const y = map.yx * column + map.yy * row + map.y0;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      const [right, down] = [x - left, y - top];
      const at = (top * width + left) * 3;
      if (left >= 0 && top >= 0 && left < width - 1 && top < height - 1) {
        for (let c = 0; c < 3; c++) {
          const [p, q] = [pixels[at + c] as number, pixels[at + 3 + c] as number];
          const below = at + 3 * width + c;
          const [r, s] = [pixels[below] as number, pixels[below + 3] as number];
          const upper = p + right * (q - p);
          into.pixels[to + c] = upper + down * (r + right * (s - r) - upper) + rounded;
        }
      } else {
        const weights = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down];
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let corner = 0; corner < 4; corner++) {
            let [u, v] = [left + (corner & 1), top + (corner >> 1)];
            if (border === 'nearest') [u, v] = [clamp(u, width), clamp(v, height)];
            if (u < 0 || v < 0 || u >= width || v >= height) continue;
            sum += (weights[corner] as number) * (pixels[(v * width + u) * 3 + c] as number);
          }
          into.pixels[to + c] = sum + rounded;
        }
      }
    }
  }
}

function clamp(at: number, count: number): number {
  return Math.min(Math.max(at, 0), count - 1);
}

/** An image at 1/times its size, each pixel the mean of times x times ones; what is left at the borders is dropped. */
export function shrinkImage(image: RgbImage, times: number): RgbImage {
  const [width, height] = [Math.floor(image.width / times), Math.floor(image.height / times)];
  const pixels = new Uint8Array(width * height * 3);
  for (let row = 0, to = 0; row < height; row++) {
    for (let at = 0; at < width * 3; at++, to++) {
      const left = Math.floor(at / 3) * times * 3 + (at % 3);
      let sum = 0;
      for (let v = 0; v < times; v++) {
        const line = (row * times + v) * image.width * 3 + left;
        for (let u = 0; u < times; u++) sum += image.pixels[line + 3 * u] as number;
      }
      pixels[to] = Math.round(sum / (times * times));
    }
  }
  return { width, height, pixels };
}
