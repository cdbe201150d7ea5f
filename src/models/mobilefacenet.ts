import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { NetLayers } from './net-layers.js';

export interface MobileFaceNetOptions {
  /** Of the images, in pixels; 112 x 112 in the paper, 112 x 96 in its ablations. */
  height: number;
  width: number;
  /** D. Default 128, the paper's. */
  dim?: number;
  /** Decides the start of the weights. */
  seed: number | string;
}

interface Bottlenecks {
  /** t: channels within are this many times those that come in. */
  expansion: number;
  filters: number;
  count: number;
  /** Of the first of them. */
  stride: number;
}

const BOTTLENECKS: readonly Bottlenecks[] = [
  { expansion: 2, filters: 64, count: 5, stride: 2 },
  { expansion: 4, filters: 128, count: 1, stride: 2 },
  { expansion: 2, filters: 128, count: 6, stride: 1 },
  { expansion: 4, filters: 128, count: 1, stride: 2 },
  { expansion: 2, filters: 128, count: 2, stride: 1 },
];

/**
 * MobileFaceNet: a million parameters, for phones and browsers. From [N, height, width, 3] to [N, dim].
 *
 * Bottlenecks of MobileNetV2 with PReLU; in place of pooling, a depthwise convolution of the whole last map.
 *
 * Source: Chen et al., MobileFaceNets: Efficient CNNs for Accurate Real-time Face Verification on Mobile Devices, CCBR
 * 2018, table 1.
 * @example const net = mobileFaceNet({ height: 112, width: 112, seed: 1 });
 */
export function mobileFaceNet({ height, width, dim = 128, seed }: MobileFaceNetOptions): LayersModel {
  const make = new NetLayers(seed);
  const active = (x: SymbolicTensor) => make.prelu(make.batchNorm(x));
  const images = input({ shape: [height, width, 3] });
  let x = active(make.convolution(images, { filters: 64, size: 3, stride: 2 }));
  x = active(make.depthwise(x, [3, 3]));
  for (const { expansion, filters, count, stride } of BOTTLENECKS)
    for (let unit = 0; unit < count; unit++)
      x = bottleneck(make, x, { expansion, filters, stride: unit === 0 ? stride : 1 });
  x = active(make.convolution(x, { filters: 512, size: 1 }));
  const [, rows, columns] = x.shape as [null, number, number];
  x = make.batchNorm(make.depthwise(x, [rows, columns], { whole: true }));
  // On a map of one pixel a 1 x 1 convolution is a dense layer.
  const embedding = make.embedding(x, { dim, batchNorm: true });
  return model({ inputs: images, outputs: embedding, name: 'mobilefacenet' });
}

function bottleneck(
  make: NetLayers,
  x: SymbolicTensor,
  { expansion, filters, stride }: Omit<Bottlenecks, 'count'>,
): SymbolicTensor {
  const channels = x.shape.at(-1) as number;
  const active = (y: SymbolicTensor) => make.prelu(make.batchNorm(y));
  const wide = active(make.convolution(x, { filters: expansion * channels, size: 1 }));
  const deep = active(make.depthwise(wide, [3, 3], { stride }));
  const narrow = make.batchNorm(make.convolution(deep, { filters, size: 1 }));
  return stride === 1 && channels === filters ? make.add(x, narrow) : narrow;
}
