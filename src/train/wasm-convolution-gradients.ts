import {
  backend_util,
  type Conv2DBackpropFilterAttrs,
  concat,
  type DepthwiseConv2dNativeBackpropFilterAttrs,
  type DepthwiseConv2dNativeBackpropInputAttrs,
  depthwiseConv2d,
  getKernel,
  type KernelConfig,
  matMul,
  mul,
  pad,
  registerKernel,
  reshape,
  reverse,
  slice,
  stridedSlice,
  sum,
  type Tensor,
  type Tensor4D,
  tidy,
} from '@tensorflow/tfjs-core';

type Shape4D = [number, number, number, number];
type ConvInfo = backend_util.Conv2DInfo;

/**
 * Gives the `wasm` backend the gradients of convolutions that tfjs-backend-wasm 4.22 lacks (TensorFlow.js issue 8474), for this
 * process: by filters of both kinds, and by the input of depthwise ones. Made of its own operations, mostly matrix
 * products; they want `speedUpWasmMatMul`.
 */
export function addWasmConvolutionGradients(): void {
  for (const [kernelName, compute] of Object.entries(KERNELS)) {
    if (getKernel(kernelName, 'wasm')) continue;
    const kernelFunc: KernelConfig['kernelFunc'] = ({ inputs, attrs }) =>
      tidy(() => compute(inputs as unknown as Inputs, attrs as never));
    registerKernel({ kernelName, backendName: 'wasm', kernelFunc });
  }
}

interface Inputs {
  x: Tensor4D;
  dy: Tensor4D;
  filter: Tensor4D;
}

const KERNELS: Readonly<Record<string, (inputs: Inputs, attrs: never) => Tensor>> = {
  Conv2DBackpropFilter: convolutionFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseInput,
};

/** dw[i, j] = X_ij^T dy, X_ij being the pixels that the filter's place (i, j) has met: a matrix product for each place. */
function convolutionFilter(
  { x, dy }: Inputs,
  { strides, pad: padding, dimRoundingMode, filterShape }: Conv2DBackpropFilterAttrs,
): Tensor {
  const info = backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, padding, dimRoundingMode);
  const rows = reshape(dy, [-1, info.outChannels]);
  const products = met(x, info).map((pixels) => matMul(reshape(pixels, [-1, info.inChannels]), rows, true));
  return reshape(concat(products, 0), filterShape);
}

function depthwiseFilter(
  { x, dy }: Inputs,
  { strides, pad: padding, dimRoundingMode, filterShape }: DepthwiseConv2dNativeBackpropFilterAttrs,
): Tensor {
  requireOneEach(filterShape);
  const info = depthwiseInfo({ shape: x.shape, filterShape, strides, padding, dimRoundingMode });
  const sums = met(x, info).map((pixels) => reshape(sum(mul(pixels, dy), [0, 1, 2]), [1, info.inChannels]));
  return reshape(concat(sums, 0), filterShape);
}

/** A depthwise convolution of dy, spread by the strides, with the filter turned by half a circle. */
function depthwiseInput(
  { dy, filter }: Inputs,
  { strides, pad: padding, dimRoundingMode, inputShape }: DepthwiseConv2dNativeBackpropInputAttrs,
): Tensor {
  requireOneEach(filter.shape);
  const info = depthwiseInfo({ shape: inputShape, filterShape: filter.shape, strides, padding, dimRoundingMode });
  const { padInfo, filterHeight, filterWidth, inHeight, inWidth } = info;
  const spread = spreadOut(dy, info);
  const [, height, width] = spread.shape;
  const [top, left] = [filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left];
  const padded = pad(spread, [
    [0, 0],
    [top, Math.max(0, inHeight + filterHeight - 1 - top - height)],
    [left, Math.max(0, inWidth + filterWidth - 1 - left - width)],
    [0, 0],
  ]);
  const full = depthwiseConv2d(padded, reverse(filter, [0, 1]), 1, 'valid');
  return slice(full, [0, 0, 0, 0], inputShape);
}

/** The pixels that each place of the filter has met, row by row of the filter, each [N, outHeight, outWidth, C]. */
function met(x: Tensor4D, { padInfo, filterHeight, filterWidth, ...info }: ConvInfo): Tensor4D[] {
  const { batchSize, outHeight, outWidth, strideHeight, strideWidth, inChannels } = info;
  const { top, bottom, left, right } = padInfo;
  const padded =
    top + bottom + left + right === 0
      ? x
      : pad(x, [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ]);
  return Array.from({ length: filterHeight * filterWidth }, (_, place) => {
    const [i, j] = [Math.floor(place / filterWidth), place % filterWidth];
    const end = [batchSize, i + (outHeight - 1) * strideHeight + 1, j + (outWidth - 1) * strideWidth + 1, inChannels];
    return stridedSlice(padded, [0, i, j, 0], end, [1, strideHeight, strideWidth, 1]) as Tensor4D;
  });
}

/** The rows and columns of dy, with as many zeros between them as the stride passed over. */
function spreadOut(dy: Tensor4D, { strideHeight, strideWidth }: ConvInfo): Tensor4D {
  if (strideHeight === 1 && strideWidth === 1) return dy;
  const [n, height, width, channels] = dy.shape;
  const wide = reshape(
    pad(reshape(dy, [n * height, width, channels]), [
      [0, 0],
      [0, 0],
      [0, channels * (strideWidth - 1)],
    ]),
    [n, height, width * strideWidth * channels],
  );
  const tall = pad(wide, [
    [0, 0],
    [0, 0],
    [0, width * strideWidth * channels * (strideHeight - 1)],
  ] as [number, number][]);
  return reshape(tall, [n, height * strideHeight, width * strideWidth, channels]);
}

interface DepthwiseShape {
  shape: Shape4D;
  filterShape: Shape4D;
  strides: [number, number] | number;
  padding: Conv2DBackpropFilterAttrs['pad'];
  dimRoundingMode?: 'floor' | 'round' | 'ceil' | undefined;
}

function depthwiseInfo({ shape, filterShape, strides, padding, dimRoundingMode }: DepthwiseShape): ConvInfo {
  return backend_util.computeConv2DInfo(shape, filterShape, strides, 1, padding, dimRoundingMode, true);
}

function requireOneEach([, , , multiplier]: Shape4D): void {
  if (multiplier !== 1) throw new RangeError(`depthwise filters have ${multiplier} outputs for a channel, expected 1`);
}
