import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alignFace } from '../../src/data/align-face.js';
import { FACE_TEMPLATES } from '../../src/data/face-template.js';
import type { Landmarks, Point } from '../../src/data/landmarks.js';
import { applySimilarity, fitSimilarity, invertSimilarity } from '../../src/data/similarity-transform.js';
import { shrinkImage, warpImage } from '../../src/data/warp-image.js';
import { madeImage } from './made-images.js';

const finite = (least: number, most: number) => fc.double({ min: least, max: most, noNaN: true });
const similarity = fc.record({
  angle: finite(-3.1, 3.1),
  size: finite(0.05, 20),
  x0: finite(-500, 500),
  y0: finite(-500, 500),
});
const TEMPLATE = FACE_TEMPLATES['112x96'];
const mapped = (points: Landmarks, move: (point: Point) => Point) => points.map(move) as unknown as Landmarks;

test("the templates are the public code's coordinates", () => {
  expect(TEMPLATE.landmarks).toEqual([
    [30.2946, 51.6963],
    [65.5318, 51.5014],
    [48.0252, 71.7366],
    [33.5493, 92.3655],
    [62.7299, 92.2041],
  ]);
  FACE_TEMPLATES['112x112'].landmarks.forEach(([x, y], i) => {
    expect([x - 8, y]).toEqual([expect.closeTo(TEMPLATE.landmarks[i]?.[0] as number, 10), TEMPLATE.landmarks[i]?.[1]]);
  });
});

describe('the similarity transform', () => {
  test('finds the one that was applied, and its inverse undoes it', () => {
    fc.assert(
      fc.property(similarity, ({ angle, size, x0, y0 }) => {
        const known = { a: size * Math.cos(angle), b: size * Math.sin(angle), x0, y0 };
        const points = mapped(TEMPLATE.landmarks, (point) => applySimilarity(known, point));
        const fit = fitSimilarity(TEMPLATE.landmarks, points);
        expect(fit?.a).toBeCloseTo(known.a, 8);
        expect(fit?.b).toBeCloseTo(known.b, 8);
        expect(fit?.x0).toBeCloseTo(x0, 6);
        expect(fit?.y0).toBeCloseTo(y0, 6);
        const back = applySimilarity(invertSimilarity(known), points[0] as Point);
        expect(back[0]).toBeCloseTo(TEMPLATE.landmarks[0][0], 6);
        expect(back[1]).toBeCloseTo(TEMPLATE.landmarks[0][1], 6);
      }),
    );
  });

  test('is the best in least squares: no small step makes it better', () => {
    const point = fc.tuple(finite(0, 250), finite(0, 250));
    fc.assert(
      fc.property(fc.array(point, { minLength: 5, maxLength: 5 }), (points) => {
        const from = points as unknown as Landmarks;
        const fit = fitSimilarity(from, TEMPLATE.landmarks);
        fc.pre(fit !== undefined && Math.hypot(fit.a, fit.b) > 1e-3);
        const error = (t: NonNullable<typeof fit>) =>
          from.reduce((sum, p, i) => {
            const [x, y] = applySimilarity(t, p);
            const [u, v] = TEMPLATE.landmarks[i] as Point;
            return sum + (x - u) ** 2 + (y - v) ** 2;
          }, 0);
        const best = error(fit);
        for (const key of ['a', 'b', 'x0', 'y0'] as const) {
          for (const step of [-1e-3, 1e-3])
            expect(error({ ...fit, [key]: fit[key] + step })).toBeGreaterThan(best - 1e-7);
        }
      }),
    );
  });

  test('points that are one point, or no numbers', () => {
    expect(
      fitSimilarity(
        mapped(TEMPLATE.landmarks, () => [5, 5]),
        TEMPLATE.landmarks,
      ),
    ).toBeUndefined();
    expect(
      fitSimilarity(
        mapped(TEMPLATE.landmarks, ([x]) => [x, Number.NaN]),
        TEMPLATE.landmarks,
      ),
    ).toBeUndefined();
  });
});

describe('drawing', () => {
  test('the identity copies, borders too', () => {
    const image = madeImage(9, 7);
    const into = { ...image, pixels: new Uint8Array(image.pixels.length) };
    warpImage(image, { xx: 1, xy: 0, x0: 0, yx: 0, yy: 1, y0: 0 }, into);
    expect(into.pixels).toEqual(image.pixels);
  });

  test('half a pixel to the right is the mean of neighbours, black or the last pixel beyond', () => {
    const image = { width: 2, height: 1, pixels: Uint8Array.of(10, 20, 30, 30, 60, 90) };
    const into = { width: 2, height: 1, pixels: new Float32Array(6) };
    const map = { xx: 1, xy: 0, x0: 0.5, yx: 0, yy: 1, y0: 0 };
    warpImage(image, map, into);
    expect([...into.pixels]).toEqual([20, 40, 60, 15, 30, 45]);
    warpImage(image, map, into, 'nearest');
    expect([...into.pixels]).toEqual([20, 40, 60, 30, 60, 90]);
  });

  test('shrinking takes means', () => {
    const image = { width: 5, height: 2, pixels: Uint8Array.from({ length: 30 }, (_, i) => i) };
    expect(shrinkImage(image, 2)).toEqual({ width: 2, height: 1, pixels: Uint8Array.of(9, 10, 11, 15, 16, 17) });
  });
});

/** A smooth scene by its continuous coordinates, so that any photo of it is known. */
const scene = ([x, y]: Point, c: number) => 128 + 60 * Math.sin(x / 9 + c) + 50 * Math.cos(y / 11 - c);

test.each([
  { name: 'as it is', angle: 0, size: 1 },
  { name: 'turned and twice as large', angle: 0.5, size: 2 },
  { name: 'a photo five times as large', angle: -0.2, size: 5.3 },
  { name: 'smaller', angle: 0.1, size: 0.8 },
])('a face comes to lie on the template to within a fraction of a pixel: $name', ({ angle, size }) => {
  // photo point = move(template point)
  const move = { a: size * Math.cos(angle), b: size * Math.sin(angle), x0: 150 * size, y0: 90 * size };
  const back = invertSimilarity(move);
  const [width, height] = [Math.ceil(330 * size), Math.ceil(330 * size)];
  const photo = { width, height, pixels: new Uint8Array(width * height * 3) };
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = applySimilarity(back, [x, y]);
      for (let c = 0; c < 3; c++) photo.pixels[at++] = Math.round(scene(place, c));
    }
  }
  const landmarks = mapped(TEMPLATE.landmarks, (point) => applySimilarity(move, point));
  const face = alignFace(photo, landmarks, TEMPLATE);
  expect(face?.residual).toBeLessThan(1e-9);
  expect(face?.scale).toBeCloseTo(1 / size, 10);
  let sum = 0;
  for (let y = 0, at = 0; y < 112; y++) {
    for (let x = 0; x < 96; x++)
      for (let c = 0; c < 3; c++) sum += Math.abs((face?.image.pixels[at++] as number) - scene([x, y], c));
  }
  // A tenth of a pixel would be 0.6 here.
  expect(sum / (112 * 96 * 3)).toBeLessThan(0.5);
});
