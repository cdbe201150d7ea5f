import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { input, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { FlipPooling, ModelThreshold } from '../../src/models/model-description.js';
import type { FaceModel } from '../../src/models/model-folder.js';

export const threshold: ModelThreshold = {
  ...{ cosine: 0.9, falseAcceptRate: 1e-3, trueAcceptRate: 0.75 },
  ...{ data: '40 people held out', genuinePairs: 200, impostorPairs: 5000 },
};

export interface SmallModelOptions {
  flip?: FlipPooling;
  seed?: number;
  /** Whether it has a threshold. */
  decides?: boolean;
}

/** From faces of 12 x 8 to four features that tell made images apart, also from their mirror images. */
export function smallModel({ flip = 'none', seed = 1, decides = true }: SmallModelOptions = {}): FaceModel {
  const images = input({ shape: [12, 8, 3] });
  const out = layers.dense({ units: 4, useBias: false }).apply(layers.flatten().apply(images)) as SymbolicTensor;
  const net = model({ inputs: images, outputs: out });
  const values = Float32Array.from({ length: 12 * 8 * 3 * 4 }, (_, i) => Math.sin(i * i * seed));
  net.setWeights([tf.tensor(values, [12 * 8 * 3, 4])]);
  return {
    model: net,
    description: {
      input: { height: 12, width: 8, alignment: '112x96', normalisation: 'cosface' },
      embedding: { dim: 4, flip },
      threshold: decides ? threshold : null,
    },
  };
}
