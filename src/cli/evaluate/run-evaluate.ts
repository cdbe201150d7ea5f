import { join } from 'node:path';
import { evaluate } from '../../evaluate/evaluate.js';
import type { Evaluation } from '../../evaluate/evaluation.js';
import { evaluationPictures } from '../../evaluate/evaluation-pictures.js';
import type { EvaluateRequest } from '../../evaluate/request.js';
import { replaceFile } from '../../files/replace-file.js';
import { renderPng } from '../render-png.js';
import { writeJson } from '../write-json.js';
import { describeEvaluation } from './describe-evaluation.js';

export interface EvaluateFlags extends Omit<EvaluateRequest, 'histogram'> {
  out?: string;
  json?: string;
}

/** Scores, and writes the figures where they are wanted: for people unless standard output gets the JSON. */
export function runEvaluate({ out, json, ...request }: EvaluateFlags): void {
  const evaluation = evaluate({ ...request, histogram: out !== undefined });
  const files = out === undefined ? [] : writePictures(evaluation, out);
  if (evaluation.features.zeroRows > 0)
    console.error(`${evaluation.features.zeroRows} rows of features are zero; their cosine with everything is 0.`);
  if (json !== undefined) writeJson(json, evaluation);
  if (json !== '-') console.log([describeEvaluation(evaluation), ...files].join('\n'));
}

function writePictures(evaluation: Evaluation, folder: string): string[] {
  return evaluationPictures(evaluation).flatMap(({ key, svg }) => {
    const [asSvg, asPng] = [join(folder, `${key}.svg`), join(folder, `${key}.png`)];
    replaceFile(asSvg, svg);
    replaceFile(asPng, renderPng(svg));
    return [asSvg, asPng];
  });
}
