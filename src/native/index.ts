export type {
  AvailableCuda,
  CudaInfo,
  ImpostorThresholdsResult,
  Plan,
  PlanShape,
  Precision,
  TopKResult,
} from './addon.js';
export type { Device } from './backend-choice.js';
export { type BackendInfo, backendInfo } from './backend-info.js';
export {
  type CountAboveOptions,
  type CountAboveResult,
  countAbove,
  countAboveAsync,
  type PairCounts,
} from './count-above.js';
export { CosFaceError } from './errors.js';
export { type ImpostorThresholdsOptions, impostorThresholds, impostorThresholdsAsync } from './impostor-thresholds.js';
export { marginSoftmax } from './margin-softmax.js';
export { marginSoftmaxAsync } from './margin-softmax-async.js';
export type { MarginSoftmaxOptions, MarginSoftmaxResult } from './margin-softmax-options.js';
export { releaseWorkspace } from './release-workspace.js';
export {
  type HeadEvaluateOptions,
  type HeadEvaluateResult,
  type HeadOptimizer,
  type HeadStepOptions,
  type HeadStepResult,
  ResidentHead,
  type ResidentHeadOptions,
} from './resident-head.js';
export {
  type ResidentStepOptions,
  type ResidentStepResult,
  type ResidentUpdate,
  ResidentWeights,
  type ResidentWeightsOptions,
} from './resident-weights.js';
export { type SampleClassesOptions, sampleClasses } from './sample-classes.js';
export type { PairOptions, SearchOptions } from './search-options.js';
export { type TopKOptions, topK, topKAsync } from './top-k.js';
