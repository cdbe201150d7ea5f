import { initializers, input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { INPUT_SIZE } from '../data/digit-inputs.js';

export interface DigitEmbedderOptions {
  /** D, the size of an embedding. */
  dim: number;
  /** A whole number; the same one gives the same start. */
  seed: number;
}

const HIDDEN = [256, 128];

/**
 * A small multi-layer perceptron from digits [N, 196] to embeddings [N, dim].
 *
 * No convolution: the wasm backend of tfjs 4.22 has no gradient of one. The embedding has no bias and no activation,
 * so that its directions are free.
 */
export function digitEmbedder({ dim, seed }: DigitEmbedderOptions): LayersModel {
  const images = input({ shape: [INPUT_SIZE] });
  const hidden = HIDDEN.reduce((x, units, i) => hiddenLayer(x, units, seed + i), images);
  const kernelInitializer = initializers.glorotNormal({ seed: seed + HIDDEN.length });
  const embedding = layers.dense({ units: dim, useBias: false, kernelInitializer });
  return model({ inputs: images, outputs: embedding.apply(hidden) as SymbolicTensor });
}

function hiddenLayer(x: SymbolicTensor, units: number, seed: number): SymbolicTensor {
  const kernelInitializer = initializers.heNormal({ seed });
  return layers.dense({ units, activation: 'relu', kernelInitializer }).apply(x) as SymbolicTensor;
}
