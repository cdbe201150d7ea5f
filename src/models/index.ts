export { embedPixels } from './embed-pixels.js';
export {
  type FlipPooling,
  featureSize,
  type ModelDescription,
  type ModelEmbedding,
  type ModelInput,
  type ModelThreshold,
} from './model-description.js';
export { type FaceModel, loadModelFolder, readModelDescription, saveModelFolder } from './model-folder.js';
