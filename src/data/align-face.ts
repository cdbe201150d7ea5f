import type { FaceTemplate } from './face-template.js';
import type { Landmarks } from './landmarks.js';
import type { RgbImage } from './rgb-image.js';
import { applySimilarity, fitSimilarity, invertSimilarity, type Similarity } from './similarity-transform.js';
import { shrinkImage, warpImage } from './warp-image.js';

export interface AlignedFace {
  image: RgbImage;
  /** Root of the mean squared distance of the landmarks from the template's, in pixels of the result. */
  residual: number;
  /** Pixels of the result for each pixel of the source. */
  scale: number;
}

/**
 * Turns, scales and shifts a face so that its landmarks come nearest to a template's. Bilinear, black beyond the
 * source's border. A face that becomes less than half its size is first shrunk by a whole factor, averaging, or it
 * would show jagged edges.
 *
 * @returns `undefined` where the landmarks collapse to one point.
 * @example const face = alignFace(photo, landmarks, FACE_TEMPLATES['112x96']);
 */
export function alignFace(source: RgbImage, landmarks: Landmarks, template: FaceTemplate): AlignedFace | undefined {
  const fit = fitSimilarity(landmarks, template.landmarks);
  if (!fit) return undefined;
  const scale = Math.hypot(fit.a, fit.b);
  const times = Math.max(1, Math.min(Math.floor(1 / scale), source.width, source.height));
  const { width, height } = template;
  const image = { width, height, pixels: new Uint8Array(width * height * 3) };
  // The middle of a shrunk pixel lies between those that it is the mean of.
  const { a, b, x0, y0 } = invertSimilarity(fit);
  const middle = (times - 1) / 2;
  const map = {
    xx: a / times,
    xy: -b / times,
    x0: (x0 - middle) / times,
    yx: b / times,
    yy: a / times,
    y0: (y0 - middle) / times,
  };
  warpImage(times > 1 ? shrinkImage(source, times) : source, map, image);
  return { image, residual: residualOf(fit, landmarks, template), scale };
}

function residualOf(fit: Similarity, landmarks: Landmarks, template: FaceTemplate): number {
  const squares = landmarks.map((point, i) => {
    const [x, y] = applySimilarity(fit, point);
    const [u, v] = template.landmarks[i] as [number, number];
    return (x - u) ** 2 + (y - v) ** 2;
  });
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
}
