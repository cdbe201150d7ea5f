// What browsers have too, and what reads, writes or measures model folders.
export * from './index.browser.js';
export { featureSize } from './model-description.js';
export { type FaceModel, loadModelFolder, readModelDescription, saveModelFolder } from './model-folder.js';
export { type HeadFileOptions, loadResidentHead, saveResidentHead } from './resident-head-file.js';
export { type BackendName, startBackend } from './start-backend.js';
