import type { Random } from '../train/random.js';
import type { FaceAugmentation, Sometimes } from './face-augmentation.js';
import type { RgbImage } from './rgb-image.js';
import { type AffineMap, type Pixels, warpImage } from './warp-image.js';

/** Luma of sRGB (ITU-R BT.601), as image libraries make grey. */
const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114] as const;
const GREY = 127.5;

/**
 * Changes an image at random: crop, turn and mirror, then resolution, blur, colour, and at last erasing. The same
 * numbers from `random` give the same bits.
 *
 * @returns [height, width, 3], 0 to 255, not rounded.
 */
export function augmentFace(image: RgbImage, augmentation: FaceAugmentation, random: Random): Float32Array {
  let face = drawCrop(image, augmentation, random);
  const { lowResolution, blur, erase } = augmentation;
  if (happens(lowResolution, random)) face = loseResolution(face, between(lowResolution.smallest, 1, random));
  if (happens(blur, random)) face = blurred(face, between(0, blur.sigma, random));
  changeColour(face, augmentation, random);
  if (happens(erase, random)) eraseRectangle(face, erase.share, random);
  return face.pixels;
}

/** An image between the changes. */
interface FloatImage extends Pixels {
  pixels: Float32Array;
}

function blank(width: number, height: number): FloatImage {
  return { width, height, pixels: new Float32Array(width * height * 3) };
}

function between(least: number, most: number, random: Random): number {
  return least + random() * (most - least);
}

function around(middle: number, range: number | undefined, random: Random): number {
  return range ? between(middle - range, middle + range, random) : middle;
}

function happens<T extends Sometimes>(change: T | undefined, random: Random): change is T {
  return change !== undefined && random() < change.probability;
}

/** Crop, turn and mirror in one bilinear pass; beyond the border, the nearest pixel. */
function drawCrop(image: RgbImage, augmentation: FaceAugmentation, random: Random): FloatImage {
  const { width, height } = image;
  const { flip = 0, shift = 0, zoom, rotation } = augmentation;
  const mirror = random() < flip ? -1 : 1;
  const [right, down] = [around(0, shift * width, random), around(0, shift * height, random)];
  const size = around(1, zoom, random);
  const angle = around(0, rotation, random);
  const face = blank(width, height);
  if (right === 0 && down === 0 && size === 1 && angle === 0) {
    copyRows(image, face, mirror < 0);
    return face;
  }
  const [cos, sin] = [Math.cos(angle) / size, Math.sin(angle) / size];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const turn = { xx: mirror * cos, xy: -mirror * sin, yx: sin, yy: cos };
  const map: AffineMap = {
    ...turn,
    x0: middleX + right - turn.xx * middleX - turn.xy * middleY,
    y0: middleY + down - turn.yx * middleX - turn.yy * middleY,
  };
  warpImage(image, map, face, 'nearest');
  return face;
}

function copyRows({ width, height, pixels }: RgbImage, face: FloatImage, mirrored: boolean): void {
  if (!mirrored) {
    face.pixels.set(pixels);
    return;
  }
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [to, from] = [(row * width + column) * 3, (row * width + width - 1 - column) * 3];
      for (let c = 0; c < 3; c++) face.pixels[to + c] = pixels[from + c] as number;
    }
  }
}

/** Means over the area of each coarse pixel, then bilinear back to the old size. */
function loseResolution(face: FloatImage, share: number): FloatImage {
  const { width, height } = face;
  const [columns, rows] = [Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share))];
  const narrow = averageAlong(face.pixels, { lines: height, from: width, to: columns, step: 3, line: width * 3 });
  const coarse = averageAlong(narrow, { lines: columns, from: height, to: rows, step: columns * 3, line: 3 });
  const result = blank(width, height);
  const [xx, yy] = [columns / width, rows / height];
  // Middles of pixels lie half a pixel inside.
  const map = { xx, xy: 0, x0: (xx - 1) / 2, yx: 0, yy, y0: (yy - 1) / 2 };
  warpImage({ width: columns, height: rows, pixels: coarse }, map, result, 'nearest');
  return result;
}

interface Axis {
  /** Rows when columns are averaged, columns when rows are. */
  lines: number;
  from: number;
  to: number;
  /** Values from one pixel of a line to the next, in source and result alike. */
  step: number;
  /** Values from one line to the next in the source. */
  line: number;
}

/** Pixels of one axis averaged to fewer, with shares for those that a border cuts. */
function averageAlong(source: Float32Array, { lines, from, to, step, line }: Axis): Float32Array {
  const result = new Float32Array(lines * to * 3);
  // Rows follow one another; columns lie side by side.
  const resultLine = line === 3 ? 3 : to * 3;
  const width = from / to;
  for (let at = 0; at < to; at++) {
    const [start, end] = [at * width, Math.min(from, (at + 1) * width)];
    for (let pixel = Math.floor(start); pixel < end; pixel++) {
      const weight = (Math.min(pixel + 1, end) - Math.max(pixel, start)) / width;
      for (let i = 0; i < lines; i++) {
        const [into, out] = [i * resultLine + at * step, i * line + pixel * step];
        for (let c = 0; c < 3; c++)
          result[into + c] = (result[into + c] as number) + weight * (source[out + c] as number);
      }
    }
  }
  return result;
}

/** Gaussian, cut at three standard deviations; beyond the border, the nearest pixel. */
function blurred(face: FloatImage, sigma: number): FloatImage {
  const radius = Math.ceil(3 * sigma);
  if (radius < 1) return face;
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const kernel = Float64Array.from(weights, (weight) => weight / sum);
  return blurAlong(blurAlong(face, kernel, 'x'), kernel, 'y');
}

function blurAlong(face: FloatImage, kernel: Float64Array, axis: 'x' | 'y'): FloatImage {
  const { width, height, pixels } = face;
  const result = blank(width, height);
  const radius = (kernel.length - 1) / 2;
  const [count, step] = axis === 'x' ? [width, 3] : [height, width * 3];
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < width; column++, to += 3) {
      const at = axis === 'x' ? column : row;
      for (let k = -radius; k <= radius; k++) {
        const from = to + (Math.min(Math.max(at + k, 0), count - 1) - at) * step;
        const weight = kernel[k + radius] as number;
        for (let c = 0; c < 3; c++) {
          result.pixels[to + c] = (result.pixels[to + c] as number) + weight * (pixels[from + c] as number);
        }
      }
    }
  }
  return result;
}

function changeColour({ pixels }: FloatImage, augmentation: FaceAugmentation, random: Random): void {
  const brightness = around(1, augmentation.brightness, random);
  const contrast = around(1, augmentation.contrast, random);
  const saturation = around(1, augmentation.saturation, random);
  if (brightness === 1 && contrast === 1 && saturation === 1) return;
  let mean = 0;
  for (let at = 0; at < pixels.length; at += 3) mean += greyOf(pixels, at);
  mean /= pixels.length / 3;
  for (let at = 0; at < pixels.length; at += 3) {
    const grey = greyOf(pixels, at);
    for (let c = 0; c < 3; c++) {
      const coloured = grey + saturation * ((pixels[at + c] as number) - grey);
      const value = brightness * (mean + contrast * (coloured - mean));
      pixels[at + c] = Math.min(255, Math.max(0, value));
    }
  }
}

function greyOf(pixels: Float32Array, at: number): number {
  return RED * (pixels[at] as number) + GREEN * (pixels[at + 1] as number) + BLUE * (pixels[at + 2] as number);
}

function eraseRectangle({ width, height, pixels }: FloatImage, share: number, random: Random): void {
  const columns = Math.round(between(0, share, random) * width);
  const rows = Math.round(between(0, share, random) * height);
  const left = Math.floor(random() * (width - columns + 1));
  const top = Math.floor(random() * (height - rows + 1));
  for (let row = top; row < top + rows; row++) {
    pixels.fill(GREY, (row * width + left) * 3, (row * width + left + columns) * 3);
  }
}
