import { add, concat, reverse, type Tensor, tensor4d, tidy } from '@tensorflow/tfjs-core';
import type { FaceModel } from './model-folder.js';

/**
 * The features of aligned, resized and normalised images, as `faceBatches` prepares them. The mirror image takes part as
 * the model's description says; the features are not normalised.
 *
 * @param pixels - Row-major [N, height, width, 3].
 * @returns Row-major [N, D], or [N, 2 D] where the mirror image's are concatenated.
 * @example const features = await embedPixels(await loadModelFolder('runs/mine/best'), batch.pixels);
 */
export async function embedPixels({ model, description }: FaceModel, pixels: Float32Array): Promise<Float32Array> {
  const { height, width } = description.input;
  const { flip } = description.embedding;
  const count = pixels.length / (height * width * 3);
  if (count === 0) return new Float32Array(0);
  const features = tidy(() => {
    const images = tensor4d(pixels, [count, height, width, 3]);
    const plain = model.predictOnBatch(images) as Tensor;
    if (flip === 'none') return plain;
    const mirrored = model.predictOnBatch(reverse(images, 2)) as Tensor;
    return flip === 'add' ? add(plain, mirrored) : concat([plain, mirrored], 1);
  });
  const values = (await features.data()) as Float32Array;
  features.dispose();
  return values;
}
