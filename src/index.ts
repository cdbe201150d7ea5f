export {
  CosFaceHead,
  type CosFaceHeadArgs,
  cosFaceHead,
  type Initializer,
  type Regularizer,
} from './layers/cosface-head.js';
export { headOf, withoutHead } from './layers/without-head.js';
export { type ArcFaceLossOptions, arcFaceLoss } from './loss/arcface-loss.js';
export { largestMargin, leastScale } from './loss/bounds.js';
export { type CosFaceLossOptions, cosFaceLoss } from './loss/cosface-loss.js';
export { marginSoftmax } from './loss/margin-softmax.js';
export { marginSoftmaxLoss } from './loss/margin-softmax-loss.js';
export { normFaceLoss } from './loss/normface-loss.js';
export { type SphereFaceLossOptions, sphereFaceLoss } from './loss/sphereface-loss.js';
export type {
  GradientMode,
  Labels,
  LossOptions,
  MarginSoftmaxOptions,
  MarginSoftmaxTensorResult,
  MarginTerm,
  PerSample,
  Precision,
  Reduction,
} from './loss/types.js';
export { CosFaceError } from './native/errors.js';
