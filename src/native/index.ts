export type { Plan, PlanShape, Precision } from './addon.js';
export { type BackendInfo, backendInfo } from './backend-info.js';
export { CosFaceError } from './errors.js';
export { marginSoftmax } from './margin-softmax.js';
export { marginSoftmaxAsync } from './margin-softmax-async.js';
export type { MarginSoftmaxOptions, MarginSoftmaxResult } from './margin-softmax-options.js';
