// The package in a browser.
export {
  CosFaceHead,
  type CosFaceHeadArgs,
  cosFaceHead,
  type Initializer,
  type Regularizer,
} from './layers/cosface-head.js';
export type { HeadLossName } from './layers/head-loss.js';
export { headOf, withoutHead } from './layers/without-head.js';
export { type ASoftmaxLossOptions, aSoftmaxLoss } from './loss/a-softmax-loss.js';
export { type AdaCosLossOptions, type AdaCosState, adaCosLoss, adaCosScale } from './loss/adacos-loss.js';
export { type AdaFaceLossOptions, type AdaFaceState, adaFaceLoss } from './loss/adaface-loss.js';
export { type AnnealedLambdaQuery, annealedLambda } from './loss/annealed-lambda.js';
export { type ArcFaceLossOptions, arcFaceLoss } from './loss/arcface-loss.js';
export { largestMargin, leastScale } from './loss/bounds.js';
export { type CenterLossOptions, centerLoss } from './loss/center-loss.js';
export { type CircleLossOptions, circleLoss } from './loss/circle-loss.js';
export { type ContrastiveLossOptions, contrastiveLoss } from './loss/contrastive-loss.js';
export { type CosFaceLossOptions, cosFaceLoss } from './loss/cosface-loss.js';
export {
  type CurricularFaceLossOptions,
  type CurricularFaceState,
  curricularFaceLoss,
} from './loss/curricularface-loss.js';
export { type LSoftmaxLossOptions, lSoftmaxLoss } from './loss/l-softmax-loss.js';
export { type MagFaceLossOptions, magFaceLoss } from './loss/magface-loss.js';
export { marginSoftmax } from './loss/margin-softmax.js';
export { marginSoftmaxLoss } from './loss/margin-softmax-loss.js';
export { type MvSoftmaxLossOptions, mvSoftmaxLoss } from './loss/mv-softmax-loss.js';
export { normFaceLoss } from './loss/normface-loss.js';
export type { BatchLossOptions } from './loss/run-batch-loss.js';
export { type SoftmaxLossOptions, softmaxLoss } from './loss/softmax-loss.js';
export { type SphereFaceLossOptions, sphereFaceLoss } from './loss/sphereface-loss.js';
export {
  type SphereFace2BiasQuery,
  type SphereFace2LossOptions,
  sphereFace2Bias,
  sphereFace2Loss,
} from './loss/sphereface2-loss.js';
export { type SubCenterArcFaceLossOptions, subCenterArcFaceLoss } from './loss/subcenter-arcface-loss.js';
export { type TripletLossOptions, tripletLoss } from './loss/triplet-loss.js';
export type {
  Fallback,
  FamilyOptions,
  GradientMode,
  Labels,
  LossOptions,
  MarginSoftmaxOptions,
  MarginSoftmaxTensorResult,
  MarginTerm,
  NegativesRule,
  PerSample,
  Precision,
  Reduction,
  SampleMargins,
} from './loss/types.js';
export { type UniFaceLossOptions, uniFaceLoss } from './loss/uniface-loss.js';
export { CosFaceError } from './native/errors.js';
