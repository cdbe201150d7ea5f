import { verifyFaces } from '../../recognise/verify-faces.js';
import { describeThreshold } from '../describe-threshold.js';
import type { ModelFlags } from '../model-options.js';
import { openModel } from '../open-model.js';
import { writeJson } from '../write-json.js';

export interface VerifyFlags extends ModelFlags {
  left: string;
  right: string;
  threshold?: number;
  json?: string;
}

/** Compares two images and says how far the answer can be trusted. */
export async function runVerify({ left, right, threshold: asked, json, ...flags }: VerifyFlags): Promise<void> {
  const { model, backend, detector } = await openModel(flags);
  const { score, same, threshold } = await verifyFaces(model, left, right, { threshold: asked, detector });
  if (json !== undefined) writeJson(json, { model: flags.model, backend, left, right, score, same, threshold });
  if (json === '-') return;
  const verdict = same === null ? '' : same ? ': the same person' : ': two people';
  console.log(`score ${score.toFixed(4)}${verdict}\n${describeThreshold(threshold)}`);
}
