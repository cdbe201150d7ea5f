import { type BadFilePolicy, BadFiles } from '../../data/bad-files.js';
import { isVerificationBin, openVerificationFaces, type VerificationFaces } from '../../data/verification-faces.js';
import { type EvaluationFlip, evaluateModel } from '../../evaluate/evaluate-model.js';
import type { Evaluation } from '../../evaluate/evaluation.js';
import type { EvaluateRequest } from '../../evaluate/request.js';
import { CosFaceError } from '../../native/errors.js';
import { facesFor } from '../../recognise/embed-photos.js';
import { createImageProgress, type ImageProgress } from '../image-progress.js';
import type { ModelFlags } from '../model-options.js';
import { openImages } from '../open-images.js';
import { openModel } from '../open-model.js';

export interface ModelEvaluationFlags extends Omit<EvaluateRequest, 'features'>, ModelFlags {
  images: string;
  flip: EvaluationFlip | undefined;
  batch: number;
  bad: BadFilePolicy;
}

/** Embeds what the protocol is about, and scores it. */
export async function evaluateByModel(flags: ModelEvaluationFlags): Promise<Evaluation> {
  const { model: modelName, images: imagesName, batch: batchSize, bad, backend, detect, ...request } = flags;
  const { faces: photos, pairs } = await openSubject(imagesName, request.pairs);
  const badFiles = new BadFiles(bad);
  let progress: ImageProgress | undefined;
  try {
    const { model, detector } = await openModel({ model: modelName, backend, detect });
    const images = facesFor(model, photos, { detector });
    const onProgress = (done: number, of: number) => {
      progress ??= createImageProgress(of);
      progress.update(done);
    };
    return await evaluateModel({
      ...request,
      pairs,
      model,
      images,
      modelName,
      imagesName,
      batchSize,
      badFiles,
      onProgress,
    });
  } finally {
    progress?.stop();
    await photos.close();
    const summary = badFiles.summary();
    if (summary !== '') console.error(summary);
  }
}

/** The images, and the pairs where they bring their own. */
async function openSubject(
  images: string,
  pairs: EvaluateRequest['pairs'],
): Promise<Pick<VerificationFaces, 'faces'> & Pick<EvaluateRequest, 'pairs'>> {
  if (!isVerificationBin(images)) return { faces: await openImages(images), pairs };
  if (pairs === undefined) return openVerificationFaces(images);
  const text = `--pairs is of no use: ${images} holds its own pairs. Leave it out.`;
  throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: '--pairs' });
}
