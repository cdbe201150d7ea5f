import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CosFaceError } from '../native/errors.js';
import type { Landmarks, Point } from './landmarks.js';
import type { RgbImage } from './rgb-image.js';

/** What a detector found in one image. */
export interface DetectedFace {
  landmarks: Landmarks;
  /** 0 to 1. */
  score: number;
  /** How many faces there are; one that is large and near the middle is taken. */
  faces: number;
}

export interface FaceDetector {
  /** `undefined` where no face is found. */
  detect(image: RgbImage): Promise<DetectedFace | undefined>;
}

/** What is used of face-api; its own types would be needed even where the package is not there. */
interface FaceApi {
  tf: {
    setBackend(name: string): Promise<boolean>;
    tensor3d(values: Uint8Array, shape: number[], dtype: string): { dispose(): void };
  };
  nets: Record<(typeof NETS)[number], { loadFromDisk(folder: string): Promise<void> }>;
  TinyFaceDetectorOptions: new (options: { inputSize: number; scoreThreshold: number }) => object;
  SsdMobilenetv1Options: new (options: { minConfidence: number }) => object;
  detectAllFaces(image: object, options: object): { withFaceLandmarks(): Promise<ApiFace[]> };
}

interface ApiFace {
  detection: { score: number; box: { x: number; y: number; width: number; height: number } };
  landmarks: { positions: { x: number; y: number }[] };
}

const PACKAGES = '@vladmandic/face-api @tensorflow/tfjs @tensorflow/tfjs-backend-wasm';
const NETS = ['tinyFaceDetector', 'ssdMobilenetv1', 'faceLandmark68Net'] as const;
/** Pixels of the small detector's input; a multiple of 32. */
const DETECTOR_SIDE = 320;
const LEAST_SCORE = 0.4;
/** Which of the 68 landmarks are around each eye, on the nose's tip and in the corners of the mouth. */
const [LEFT_EYE, RIGHT_EYE] = [
  [36, 42],
  [42, 48],
] as const;
const [NOSE, LEFT_MOUTH, RIGHT_MOUTH] = [30, 48, 54] as const;

/**
 * The face detectors and the 68 landmarks of the npm package `@vladmandic/face-api`, whose weights come with it: nothing
 * is downloaded. Runs on the wasm backend, which it makes that of all of TensorFlow.js in this process.
 *
 * @throws {CosFaceError} COSFACE_DETECTOR: the packages are not there, or do not work here.
 */
export async function loadFaceDetector(): Promise<FaceDetector> {
  const require = createRequire(join(process.cwd(), 'package.json'));
  try {
    const manifest = resolveAnywhere(require, '@vladmandic/face-api/package.json');
    // Its own imports are looked up from where it lies.
    const beside = createRequire(manifest);
    const { setWasmPaths } = beside('@tensorflow/tfjs-backend-wasm') as { setWasmPaths(folder: string): void };
    setWasmPaths(`${dirname(beside.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
    const api = beside(join(dirname(manifest), 'dist', 'face-api.node-wasm.js')) as FaceApi;
    if (!(await api.tf.setBackend('wasm'))) throw new Error('the wasm backend does not start');
    const weights = join(dirname(manifest), 'model');
    for (const net of NETS) await api.nets[net].loadFromDisk(weights);
    return { detect: (image) => detect(api, image) };
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw new CosFaceError(
      'COSFACE_DETECTOR',
      `no face detector: ${reason}. Run npm install ${PACKAGES}, or give a list of landmarks.`,
      { cause },
    );
  }
}

/** In the user's project first, then beside this package. */
function resolveAnywhere(project: NodeJS.Require, name: string): string {
  try {
    return project.resolve(name);
  } catch {
    return createRequire(import.meta.url).resolve(name);
  }
}

async function detect(api: FaceApi, image: RgbImage): Promise<DetectedFace | undefined> {
  const tensor = api.tf.tensor3d(image.pixels, [image.height, image.width, 3], 'int32');
  const quick = new api.TinyFaceDetectorOptions({ inputSize: DETECTOR_SIDE, scoreThreshold: LEAST_SCORE });
  const thorough = new api.SsdMobilenetv1Options({ minConfidence: LEAST_SCORE });
  try {
    let faces = await api.detectAllFaces(tensor, quick).withFaceLandmarks();
    // Some four times slower, so only for the few where the quick one finds nothing.
    if (faces.length === 0) faces = await api.detectAllFaces(tensor, thorough).withFaceLandmarks();
    const [face] = faces.sort((a, b) => prominence(b, image) - prominence(a, image));
    if (!face) return undefined;
    return { landmarks: fiveOf(face.landmarks.positions), score: face.detection.score, faces: faces.length };
  } finally {
    tensor.dispose();
  }
}

/** InsightFace's rule: the area, less twice the squared distance from the middle of the image. */
function prominence({ detection: { box } }: ApiFace, image: RgbImage): number {
  const [x, y] = [box.x + box.width / 2 - image.width / 2, box.y + box.height / 2 - image.height / 2];
  return box.width * box.height - 2 * (x * x + y * y);
}

function fiveOf(points: readonly { x: number; y: number }[]): Landmarks {
  const at = (index: number): Point => [points[index]?.x ?? Number.NaN, points[index]?.y ?? Number.NaN];
  const mean = ([from, to]: readonly [number, number]): Point => {
    const around = points.slice(from, to);
    const sum = (coordinate: 'x' | 'y') => around.reduce((total, point) => total + point[coordinate], 0);
    return [sum('x') / around.length, sum('y') / around.length];
  };
  return [mean(LEFT_EYE), mean(RIGHT_EYE), at(NOSE), at(LEFT_MOUTH), at(RIGHT_MOUTH)];
}
