import { expect, test } from 'vitest';
import { augmentFace } from '../../src/data/augment-face.js';
import { checkAugmentation, type FaceAugmentation } from '../../src/data/face-augmentation.js';
import { seededRandom } from '../../src/train/random.js';
import { madeImage } from './made-images.js';

const image = madeImage(24, 28);
const plain = Float32Array.from(image.pixels);
const augmented = (augmentation: FaceAugmentation, seed = 'a') => augmentFace(image, augmentation, seededRandom(seed));
const differences = (a: Float32Array, b: Float32Array) => a.map((value, i) => Math.abs(value - (b[i] as number)));
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

const EACH: Record<string, FaceAugmentation> = {
  flip: { flip: 1 },
  shift: { shift: 0.2 },
  zoom: { zoom: 0.3 },
  rotation: { rotation: 0.4 },
  brightness: { brightness: 0.5 },
  contrast: { contrast: 0.5 },
  saturation: { saturation: 0.9 },
  blur: { blur: { probability: 1, sigma: 2 } },
  lowResolution: { lowResolution: { probability: 1, smallest: 0.2 } },
  erase: { erase: { probability: 1, share: 0.8 } },
};

test('nothing asked for, nothing changed', () => {
  expect(augmented({})).toEqual(plain);
  expect(augmented({ flip: 0, blur: { probability: 0, sigma: 2 } })).toEqual(plain);
});

test.each(Object.entries(EACH))(
  '%s: changes the image, within 0 to 255, the same for the same seed',
  (_, augmentation) => {
    const once = augmented(augmentation);
    expect(Math.max(...differences(once, plain))).toBeGreaterThan(1);
    expect(Math.min(...once)).toBeGreaterThanOrEqual(-1e-3);
    expect(Math.max(...once)).toBeLessThanOrEqual(255.001);
    expect(augmented(augmentation)).toEqual(once);
    if (!augmentation.flip) expect(augmented(augmentation, 'b')).not.toEqual(once);
  },
);

test('a flip is a mirror, exactly, and about as often as asked for', () => {
  const flipped = augmented({ flip: 1 });
  for (let row = 0; row < 28; row++) {
    for (let column = 0; column < 24; column++) {
      for (let c = 0; c < 3; c++) {
        expect(flipped[(row * 24 + column) * 3 + c]).toBe(plain[(row * 24 + 23 - column) * 3 + c]);
      }
    }
  }
  const count = Array.from({ length: 400 }, (_, i) => augmented({ flip: 0.25 }, `${i}`)[0] !== plain[0]);
  expect(count.filter(Boolean).length / 400).toBeCloseTo(0.25, 1);
});

test('a flip beside a tiny shift mirrors too: the map is right', () => {
  const both = augmented({ flip: 1, shift: 1e-6 });
  expect(Math.max(...differences(both, augmented({ flip: 1 })))).toBeLessThan(0.01);
  const turned = augmented({ rotation: 1e-7, zoom: 1e-7 });
  expect(Math.max(...differences(turned, plain))).toBeLessThan(0.01);
});

test('blur and low resolution keep the mean of a smooth image and its level parts', () => {
  for (const name of ['blur', 'lowResolution'] as const) {
    expect(mean(augmented(EACH[name] as FaceAugmentation))).toBeCloseTo(mean(plain), -0.5);
    const level = { width: 24, height: 28, pixels: new Uint8Array(24 * 28 * 3).fill(77) };
    const result = augmentFace(level, EACH[name] as FaceAugmentation, seededRandom('a'));
    expect(Math.max(...result.map((value) => Math.abs(value - 77)))).toBeLessThan(1e-3);
  }
});

test('low resolution at full size is no change', () => {
  const full = augmented({ lowResolution: { probability: 1, smallest: 1 } });
  expect(Math.max(...differences(full, plain))).toBeLessThan(1e-3);
});

test('saturation leaves grey alone', () => {
  const grey = { width: 4, height: 4, pixels: Uint8Array.from({ length: 48 }, (_, i) => 10 * Math.floor(i / 3)) };
  const result = augmentFace(grey, { saturation: 1 }, seededRandom('a'));
  result.forEach((value, i) => {
    expect(value).toBeCloseTo(grey.pixels[i] as number, 3);
  });
});

test.each([
  [{ flip: 1.5 }, 'augmentation.flip is 1.5, expected a number in [0, 1]'],
  [{ shift: -1 }, 'augmentation.shift is -1'],
  [{ brightness: Number.NaN }, 'augmentation.brightness is NaN'],
  [{ blur: { probability: 2, sigma: 1 } }, 'augmentation.blur.probability is 2'],
  [{ lowResolution: { probability: 1, smallest: 0 } }, 'augmentation.lowResolution.smallest is 0'],
  [{ flop: 1 }, 'augmentation.flop is no change of images; known are flip, shift'],
])('%j is refused', (augmentation, says) => {
  expect(() => checkAugmentation(augmentation as FaceAugmentation)).toThrow(says);
});
