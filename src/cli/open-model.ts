import { type FaceDetector, loadFaceDetector } from '../data/face-detector.js';
import { type FaceModel, loadModelFolder } from '../models/model-folder.js';
import { type BackendName, startBackend } from '../models/start-backend.js';
import { CosFaceError } from '../native/errors.js';
import type { ModelFlags } from './model-options.js';

export interface OpenedModel {
  model: FaceModel;
  backend: BackendName;
  /** Where faces are to be found first. */
  detector: FaceDetector | undefined;
}

/** Starts a backend and loads what a command needs. */
export async function openModel({ model: folder, backend: asked, detect }: ModelFlags): Promise<OpenedModel> {
  const backend = await startBackend(detect ? wasmFor(asked) : asked);
  const model = await loadModelFolder(folder);
  return { model, backend, detector: detect ? await loadFaceDetector() : undefined };
}

/** The detector sets the backend of all of TensorFlow.js to wasm. */
function wasmFor(asked: ModelFlags['backend']): 'wasm' {
  if (asked !== 'tensorflow') return 'wasm';
  const text = '--detect works on wasm alone. Leave --backend out, or align the photos first by cosface align.';
  throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: 'backend' });
}
