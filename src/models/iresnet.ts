import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { NetLayers } from './net-layers.js';

export type IResNetDepth = 18 | 50;

export interface IResNetOptions {
  depth: IResNetDepth;
  /** Of the images, in pixels; 112 x 112 in the paper. */
  height: number;
  width: number;
  /** D. Default 512, the paper's. */
  dim?: number;
  /** Channels of the four stages. Default 64, 128, 256, 512, the paper's. */
  widths?: readonly [number, number, number, number];
  /** Decides the start of the weights. */
  seed: number | string;
}

const UNITS: Readonly<Record<IResNetDepth, readonly [number, number, number, number]>> = {
  18: [2, 2, 2, 2],
  50: [3, 4, 14, 3],
};

/**
 * The improved residual nets of ArcFace and InsightFace. From [N, height, width, 3] to [N, dim].
 *
 * A unit is BN, 3 x 3, BN, PReLU, 3 x 3, BN; the second convolution of a stage's first unit has stride 2, and its way around
 * a 1 x 1. No pooling: BN, then all of the last map into the embedding, which is batch normalised. Of InsightFace's code
 * the dropout before the embedding, 0 in its newer settings, and the embedding's own bias are left out; its last scale is
 * fixed, here it learns.
 *
 * Source: Deng et al., ArcFace, CVPR 2019, section 3.1 (LResNet-E-IR); sizes as InsightFace's iresnet18 and iresnet50.
 * @example const net = iResNet({ depth: 50, height: 112, width: 112, seed: 1 });
 */
export function iResNet({ depth, height, width, ...options }: IResNetOptions): LayersModel {
  const { dim = 512, widths = [64, 128, 256, 512], seed } = options;
  const make = new NetLayers(seed);
  const images = input({ shape: [height, width, 3] });
  const stem = make.prelu(make.batchNorm(make.convolution(images, { filters: widths[0], size: 3 })));
  const map = widths.reduce((before, filters, stage) => {
    const units = Array.from({ length: UNITS[depth][stage] as number }, (_, unit) => (unit === 0 ? 2 : 1));
    return units.reduce((x, stride) => residualUnit(make, x, filters, stride), before);
  }, stem);
  const embedding = make.embedding(make.batchNorm(map), { dim, batchNorm: true });
  return model({ inputs: images, outputs: embedding, name: `iresnet${depth}` });
}

function residualUnit(make: NetLayers, x: SymbolicTensor, filters: number, stride: number): SymbolicTensor {
  const first = make.convolution(make.batchNorm(x), { filters, size: 3 });
  const second = make.convolution(make.prelu(make.batchNorm(first)), { filters, size: 3, stride });
  const around = stride === 1 ? x : make.batchNorm(make.convolution(x, { filters, size: 1, stride }));
  return make.add(make.batchNorm(second), around);
}
