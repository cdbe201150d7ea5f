import { initializers, input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { INPUT_SIZE } from '../data/digit-inputs.js';

export interface DigitEmbedderOptions {
  /** D, the size of an embedding. */
  dim: number;
  /** Whether the hidden layers are normalised over the batch. */
  batchNorm: boolean;
  /** A whole number; the same one gives the same start. */
  seed: number;
}

const HIDDEN = [256, 128];

/**
 * A small multi-layer perceptron from digits [N, 196] to embeddings [N, dim].
 *
 * No convolution: the wasm backend of tfjs 4.22 has no gradient of one, and a convolutional net made of matrix products
 * did no better on unseen digits, in three times the time. The embedding has neither bias nor normalisation, so that
 * its directions are free.
 */
export function digitEmbedder({ dim, batchNorm, seed }: DigitEmbedderOptions): LayersModel {
  const images = input({ shape: [INPUT_SIZE] });
  const hidden = HIDDEN.reduce((x, units, i) => hiddenLayer(x, { units, batchNorm, seed: seed + i }), images);
  const kernelInitializer = initializers.glorotNormal({ seed: seed + HIDDEN.length });
  const embedding = layers.dense({ units: dim, useBias: false, kernelInitializer });
  return model({ inputs: images, outputs: embedding.apply(hidden) as SymbolicTensor });
}

interface HiddenLayerOptions {
  units: number;
  batchNorm: boolean;
  seed: number;
}

function hiddenLayer(x: SymbolicTensor, { units, batchNorm, seed }: HiddenLayerOptions): SymbolicTensor {
  const kernelInitializer = initializers.heNormal({ seed });
  // A normalisation has an offset of its own; a momentum of 0.9 lets its averages follow a training this short.
  const sums = layers.dense({ units, useBias: !batchNorm, kernelInitializer }).apply(x);
  const normalised = batchNorm ? layers.batchNormalization({ momentum: 0.9 }).apply(sums) : sums;
  return layers.reLU().apply(normalised) as SymbolicTensor;
}
