import { type FaceDetector, loadFaceDetector } from '../data/face-detector.js';
import { type FaceModel, loadModelFolder } from '../models/model-folder.js';
import { type BackendName, startBackend } from '../models/start-backend.js';
import type { ModelFlags } from './model-options.js';

export interface OpenedModel {
  model: FaceModel;
  backend: BackendName;
  /** Where faces are to be found first. */
  detector: FaceDetector | undefined;
}

/** Starts a backend and loads what a command needs. */
export async function openModel({ model: folder, backend: asked, detect }: ModelFlags): Promise<OpenedModel> {
  const backend = await startBackend(asked);
  const model = await loadModelFolder(folder);
  return { model, backend, detector: detect ? await loadFaceDetector() : undefined };
}
