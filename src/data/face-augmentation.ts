import { CosFaceError, spell } from '../native/errors.js';

/** Something done to some of the images. */
export interface Sometimes {
  /** Share of the images, 0 to 1. */
  probability: number;
}

/** Random changes of training images. What is left out is not done. */
export interface FaceAugmentation {
  /** Share of the images that are mirrored, 0 to 1. */
  flip?: number;
  /** A crop's place: moved each way by up to this share of the image's side, [0, 0.5]. */
  shift?: number;
  /** A crop's size: a factor from 1 - zoom to 1 + zoom, [0, 0.9]. */
  zoom?: number;
  /** Turned by up to this many radians either way, [0, pi]. */
  rotation?: number;
  /** All channels times a factor from 1 - brightness to 1 + brightness, [0, 1]. */
  brightness?: number;
  /** Distances from the image's mean times a factor from 1 - contrast to 1 + contrast, [0, 1]. */
  contrast?: number;
  /** Distances from a pixel's grey times a factor from 1 - saturation to 1 + saturation, [0, 1]. */
  saturation?: number;
  /** Gaussian, with a standard deviation of up to `sigma` pixels, (0, 16]. */
  blur?: Sometimes & { sigma: number };
  /** Shrunk to a share of its size, from `smallest` (0, 1] to 1, and enlarged again. */
  lowResolution?: Sometimes & { smallest: number };
  /** A rectangle of up to `share` (0, 1] of each side is made grey. */
  erase?: Sometimes & { share: number };
}

type Bounds = readonly [least: number, most: number];

const PLAIN: Readonly<Record<string, Bounds>> = {
  flip: [0, 1],
  shift: [0, 0.5],
  zoom: [0, 0.9],
  rotation: [0, Math.PI],
  brightness: [0, 1],
  contrast: [0, 1],
  saturation: [0, 1],
};
const SOMETIMES: Readonly<Record<string, readonly [name: string, bounds: Bounds]>> = {
  blur: ['sigma', [0.01, 16]],
  lowResolution: ['smallest', [0.02, 1]],
  erase: ['share', [0.01, 1]],
};

/** Throws COSFACE_OPTION_RANGE unless every setting is known and within its range; returns it. */
export function checkAugmentation(augmentation: FaceAugmentation): FaceAugmentation {
  for (const [name, value] of Object.entries(augmentation)) {
    const bounds = PLAIN[name];
    const [own, range] = SOMETIMES[name] ?? [];
    if (bounds) check(name, value, bounds);
    else if (own !== undefined && range) {
      const { probability, [own]: size } = value as Record<string, unknown>;
      check(`${name}.probability`, probability, [0, 1]);
      check(`${name}.${own}`, size, range);
    } else if (value !== undefined) {
      const known = [...Object.keys(PLAIN), ...Object.keys(SOMETIMES)].join(', ');
      throw optionError(name, `augmentation.${name} is no change of images; known are ${known}.`);
    }
  }
  return augmentation;
}

function check(name: string, value: unknown, [least, most]: Bounds): void {
  if (value === undefined || (typeof value === 'number' && value >= least && value <= most)) return;
  throw optionError(name, `augmentation.${name} is ${spell(value)}, expected a number in [${least}, ${most}].`);
}

function optionError(name: string, text: string): CosFaceError {
  return new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: `augmentation.${name}` });
}
