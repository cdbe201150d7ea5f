import { join } from 'node:path';
import type { BadFilePolicy } from '../../data/bad-files.js';
import { evaluate } from '../../evaluate/evaluate.js';
import type { EvaluationFlip } from '../../evaluate/evaluate-model.js';
import type { Evaluation } from '../../evaluate/evaluation.js';
import { evaluationPictures } from '../../evaluate/evaluation-pictures.js';
import type { EvaluateRequest } from '../../evaluate/request.js';
import { replaceFile } from '../../files/replace-file.js';
import { CosFaceError } from '../../native/errors.js';
import type { ModelFlags } from '../model-options.js';
import { renderPng } from '../render-png.js';
import { writeJson } from '../write-json.js';
import { describeEvaluation } from './describe-evaluation.js';

export interface EvaluateFlags extends Omit<EvaluateRequest, 'histogram' | 'features'>, Pick<ModelFlags, 'backend'> {
  features?: string;
  model?: string;
  images?: string;
  flip?: EvaluationFlip;
  batch: number;
  bad: BadFilePolicy;
  detect?: boolean;
  out?: string;
  json?: string;
}

/** Scores, and writes the figures where they are wanted: for people unless standard output gets the JSON. */
export async function runEvaluate(flags: EvaluateFlags): Promise<void> {
  const { out, json } = flags;
  const evaluation = await scored(flags);
  const files = out === undefined ? [] : writePictures(evaluation, out);
  if (evaluation.features.zeroRows > 0)
    console.error(`${evaluation.features.zeroRows} rows of features are zero; their cosine with everything is 0.`);
  if (json !== undefined) writeJson(json, evaluation);
  if (json !== '-') console.log([describeEvaluation(evaluation), ...files].join('\n'));
}

async function scored(flags: EvaluateFlags): Promise<Evaluation> {
  const { features, model, images, flip, batch, bad, detect, backend, out, json, ...request } = flags;
  const choices = { ...request, histogram: out !== undefined };
  if (features !== undefined && model === undefined && images === undefined) return evaluate({ ...choices, features });
  if (features === undefined && model !== undefined && images !== undefined) {
    const { evaluateByModel } = await import('./evaluate-by-model.js');
    return evaluateByModel({ ...choices, model, images, flip, batch, bad, detect, backend });
  }
  const text = 'expected either --features and --list, or --model and --images.';
  throw new CosFaceError('COSFACE_OPTION_RANGE', text, { argument: 'features' });
}

function writePictures(evaluation: Evaluation, folder: string): string[] {
  return evaluationPictures(evaluation).flatMap(({ key, svg }) => {
    const [asSvg, asPng] = [join(folder, `${key}.svg`), join(folder, `${key}.png`)];
    replaceFile(asSvg, svg);
    replaceFile(asPng, renderPng(svg));
    return [asSvg, asPng];
  });
}
