// What browsers have too, and the head whose centres lie in native memory.
export * from './index.browser.js';
export {
  type ClassSampling,
  ResidentCosFaceHead,
  type ResidentCosFaceHeadArgs,
  residentCosFaceHead,
} from './layers/resident-cosface-head.js';
