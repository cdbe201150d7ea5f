import { initializers, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { type Random, seededRandom } from '../train/random.js';

type Initializer = ReturnType<typeof initializers.zeros>;

export interface ConvolutionOptions {
  filters: number;
  /** Side of the kernel. */
  size: number;
  /** Default 1. */
  stride?: number;
  /** Default false: batch normalisation mostly follows. */
  bias?: boolean;
  /** Default `he`. */
  start?: Start;
}

export interface DepthwiseOptions {
  /** Default 1. */
  stride?: number;
  /** The kernel has the size of the map and leaves one value of each channel. Default false. */
  whole?: boolean;
}

/** How a kernel starts: He's or Xavier's normal distribution, or one of that standard deviation. */
export type Start = 'he' | 'xavier' | { deviation: number };

/** As in the PyTorch and Caffe code of the nets. tfjs-layers's own momentum, 0.99, is slow for short trainings. */
const BATCH_NORM = { momentum: 0.9, epsilon: 1e-5 };

/** The layers that the backbones are made of; the start of every kernel follows from one seed. */
export class NetLayers {
  readonly #random: Random;

  constructor(seed: number | string) {
    this.#random = seededRandom(`weights ${seed}`);
  }

  convolution(x: SymbolicTensor, options: ConvolutionOptions): SymbolicTensor {
    const { filters, size, stride = 1, bias = false, start = 'he' } = options;
    const kernelInitializer = this.#start(start);
    return apply(
      layers.conv2d({
        ...{ filters, kernelSize: size, strides: stride, padding: 'same', useBias: bias, kernelInitializer },
      }),
      x,
    );
  }

  /** One kernel for each channel. */
  depthwise(
    x: SymbolicTensor,
    size: [number, number],
    { stride = 1, whole = false }: DepthwiseOptions = {},
  ): SymbolicTensor {
    // tfjs-layers counts the fan of a depthwise kernel as if it were a full one, so He's start is given in numbers.
    const deviation = Math.sqrt((whole ? 1 : 2) / (size[0] * size[1]));
    const depthwiseInitializer = this.#start({ deviation });
    const padding = whole ? 'valid' : 'same';
    return apply(
      layers.depthwiseConv2d({ kernelSize: size, strides: stride, padding, useBias: false, depthwiseInitializer }),
      x,
    );
  }

  /** One slope for each channel, from 0.25. */
  prelu(x: SymbolicTensor): SymbolicTensor {
    const alphaInitializer = initializers.constant({ value: 0.25 });
    return apply(layers.prelu({ sharedAxes: [1, 2], alphaInitializer } as never), x);
  }

  /** With scale and shift: tfjs-layers 4.22 cannot train without. */
  batchNorm(x: SymbolicTensor): SymbolicTensor {
    return apply(layers.batchNormalization(BATCH_NORM), x);
  }

  add(x: SymbolicTensor, y: SymbolicTensor): SymbolicTensor {
    return layers.add().apply([x, y]) as SymbolicTensor;
  }

  /** The last layer: D features of a map. With batch normalisation, whose shift is one, they have no bias of their own. */
  embedding(map: SymbolicTensor, { dim, batchNorm }: { dim: number; batchNorm: boolean }): SymbolicTensor {
    const flat = apply(layers.flatten(), map);
    const kernelInitializer = this.#start('xavier');
    const features = apply(layers.dense({ units: dim, useBias: !batchNorm, kernelInitializer }), flat);
    return batchNorm ? this.batchNorm(features) : features;
  }

  #start(start: Start): Initializer {
    // TensorFlow.js takes the seed 0 for none.
    const seed = 1 + Math.floor(this.#random() * (2 ** 31 - 2));
    if (start === 'he') return initializers.heNormal({ seed });
    if (start === 'xavier') return initializers.glorotNormal({ seed });
    return initializers.randomNormal({ mean: 0, stddev: start.deviation, seed });
  }
}

function apply(layer: { apply(x: SymbolicTensor): unknown }, x: SymbolicTensor): SymbolicTensor {
  return layer.apply(x) as SymbolicTensor;
}
