import type { BadFiles } from '../data/bad-files.js';
import type { FaceSet } from '../data/face-set.js';
import type { FlipPooling } from '../models/model-description.js';
import type { FaceModel } from '../models/model-folder.js';
import { CosFaceError } from '../native/errors.js';
import { checkOptions } from './check-options.js';
import { evaluate } from './evaluate.js';
import type { EvaluationOf } from './evaluation.js';
import { type NeededImages, neededImages } from './needed-images.js';
import type { EvaluateOptions, NamedFeatures, Protocol } from './request.js';

/** `protocol`: the mirror images' features join as each protocol and variant has it. */
export type EvaluationFlip = FlipPooling | 'protocol';

export interface EvaluateModelOptions<P extends Protocol>
  extends Omit<EvaluateOptions, 'protocol' | 'features' | 'flipped' | 'suffix'> {
  protocol: P;
  model: FaceModel;
  /** Aligned images, such as `openImageFolder` finds them; only those that the protocol's lists name are embedded. */
  images: FaceSet;
  /** Default: `protocol` if the model looks at mirror images, else `none`. */
  flip?: EvaluationFlip | undefined;
  batchSize?: number | undefined;
  threads?: number | undefined;
  /** An image that cannot be used has no features; see `missing`. Default: it is an error. */
  badFiles?: BadFiles | undefined;
  /** What results and messages call model and images. */
  modelName?: string | undefined;
  imagesName?: string | undefined;
  onProgress?: ((done: number, of: number) => void) | undefined;
}

/**
 * Embeds the images that a protocol is about and scores them as `evaluate` does. Features stay in memory; for a very large
 * set, `embedToFiles` first, which can be interrupted, and `evaluate` then.
 *
 * @throws {CosFaceError} What `embedFaces` and `evaluate` throw; COSFACE_MISSING_FEATURE before anything is embedded
 * where a list names an image that is not there.
 * @example
 * const model = await loadModelFolder('runs/mine/best');
 * const images = await openImageFolder('lfw-112x96');
 * const { accuracy } = await evaluateModel({ protocol: 'lfw', model, images, pairs: 'pairs.txt' });
 */
export async function evaluateModel<P extends Protocol>(options: EvaluateModelOptions<P>): Promise<EvaluationOf<P>> {
  const { model, images, flip: _, batchSize, badFiles, modelName = 'model', imagesName, onProgress, ...rest } = options;
  const request = checkOptions({ ...rest, features: '' });
  const available = Array.from({ length: images.size }, (_, at) => images.nameOf(at));
  const needed = neededImages(request, available, imagesName ?? 'the images');
  const features = await embedNeeded(options, needed);
  const { list, templates = list, ...choices } = rest;
  const own = options.protocol === 'ijb' ? { templates } : {};
  return evaluate<P>({ ...choices, ...own, protocol: options.protocol, features: { ...features, source: modelName } });
}

async function embedNeeded<P extends Protocol>(
  { model, images, flip: asked, batchSize, threads, badFiles, onProgress }: EvaluateModelOptions<P>,
  { places, names, labels }: NeededImages,
): Promise<NamedFeatures> {
  if (places.length === 0)
    throw new CosFaceError('COSFACE_DATA', 'none of the images is named by the lists: nothing to evaluate.');
  // Not before it is needed: features from files are scored without TensorFlow.js.
  const { embedFaces, embeddedSize } = await import('../recognise/embed-faces.js');
  const usual = model.description.embedding.flip === 'none' ? 'none' : 'protocol';
  const flip = (asked ?? usual) === 'protocol' ? 'separate' : ((asked ?? usual) as FlipPooling);
  const dim = embeddedSize(model, flip);
  const values = new Float32Array(places.length * dim);
  const flipped = flip === 'separate' ? new Float32Array(places.length * dim) : undefined;
  const rowsOf = new Map(places.map((place, row) => [place, row]));
  const kept: number[] = [];
  onProgress?.(0, places.length);
  for await (const batch of embedFaces(model, images, { flip, order: places, batchSize, threads, badFiles })) {
    values.set(batch.features, kept.length * dim);
    if (batch.mirrored) flipped?.set(batch.mirrored, kept.length * dim);
    for (const index of batch.indices) kept.push(rowsOf.get(index) as number);
    onProgress?.(batch.next, places.length);
  }
  return {
    values: values.subarray(0, kept.length * dim),
    dim,
    names: kept.map((row) => names[row] as string),
    labels: labels && kept.map((row) => labels[row] as string),
    flipped: flipped?.subarray(0, kept.length * dim),
  };
}
