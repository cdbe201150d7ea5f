import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { NetLayers } from './net-layers.js';

export type SphereFaceDepth = 4 | 10 | 20 | 36 | 64;

export interface SphereFaceNetOptions {
  /** The number of convolutions. */
  depth: SphereFaceDepth;
  /** Of the images, in pixels; 112 x 96 in the paper, at least 16 x 16. */
  height: number;
  width: number;
  /** D. Default 512, the paper's. */
  dim?: number;
  /** Channels of the four stages. Default 64, 128, 256, 512, the paper's. */
  widths?: readonly [number, number, number, number];
  /** Batch normalisation behind every convolution. Default false, as in the paper; small and short trainings gain by it. */
  batchNorm?: boolean;
  /** Batch normalisation of the embedding. Default false, as in the paper; few identities gain by it. */
  embeddingBatchNorm?: boolean;
  /** Decides the start of the weights. */
  seed: number | string;
}

/** Residual units of two convolutions in each stage. */
const UNITS: Readonly<Record<SphereFaceDepth, readonly [number, number, number, number]>> = {
  4: [0, 0, 0, 0],
  10: [0, 1, 2, 0],
  20: [1, 2, 4, 1],
  36: [2, 4, 8, 2],
  64: [3, 8, 16, 3],
};

/**
 * The residual nets of SphereFace; that with 64 convolutions is CosFace's. From [N, height, width, 3] to [N, dim].
 *
 * Four stages, each a convolution of stride 2 and residual units of two; 3 x 3, PReLU behind each. As in the public
 * Caffe code, units have no bias and start near 0 (standard deviation 0.01), so that a deep net starts as a shallow one.
 *
 * Source: Liu et al., SphereFace, CVPR 2017, table 2; Wang et al., CosFace, CVPR 2018, section 4.1.
 * @example const net = sphereFaceNet({ depth: 20, height: 112, width: 96, seed: 1 });
 */
export function sphereFaceNet(options: SphereFaceNetOptions): LayersModel {
  const { depth, height, width, dim = 512, widths = [64, 128, 256, 512], seed } = options;
  const { batchNorm = false, embeddingBatchNorm = false } = options;
  const make = new NetLayers(seed);
  const activated = (x: SymbolicTensor) => make.prelu(batchNorm ? make.batchNorm(x) : x);
  const images = input({ shape: [height, width, 3] });
  const map = widths.reduce((before: SymbolicTensor, filters, stage) => {
    const start = batchNorm ? 'he' : 'xavier';
    let x = activated(make.convolution(before, { filters, size: 3, stride: 2, bias: !batchNorm, start }));
    for (let unit = 0; unit < (UNITS[depth][stage] as number); unit++) {
      const half = (y: SymbolicTensor) =>
        activated(make.convolution(y, { filters, size: 3, start: batchNorm ? 'he' : { deviation: 0.01 } }));
      x = make.add(x, half(half(x)));
    }
    return x;
  }, images);
  const embedding = make.embedding(map, { dim, batchNorm: embeddingBatchNorm });
  return model({ inputs: images, outputs: embedding, name: `sphereface${depth}` });
}
