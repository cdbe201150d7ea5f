import type { Tensor } from '@tensorflow/tfjs-core';
import { checkOptionNames } from './check-options.js';
import { familyCall } from './family-call.js';
import { familyOptionNames } from './family-options.js';
import { type LossCall, type MarginSoftmaxCallArguments, runLoss } from './run-margin-softmax.js';
import type { FamilyOptions, Labels } from './types.js';

const NAMES = familyOptionNames();

/**
 * NormFace, the normalised softmax loss (NSL): softmax cross-entropy of scaled cosines, without a margin.
 *
 * Arguments, result and errors as `cosFaceLoss`; `sampleMargins`, if given, are subtracted from the cosine.
 *
 * Source: Wang et al., NormFace, ACM MM 2017; as NSL with fixed s in CosFace, CVPR 2018, eq. (3), whose s = 64 is the
 * default.
 * @example
 * const loss = normFaceLoss(x, w, y, { scale: 30 });
 */
export function normFaceLoss(embeddings: Tensor, weights: Tensor, labels: Labels, options: FamilyOptions = {}): Tensor {
  return runLoss(normFaceCall({ embeddings, weights, labels, options }));
}

/** What `normFaceLoss` runs. */
export function normFaceCall(call: LossCall<FamilyOptions>): MarginSoftmaxCallArguments {
  const { options } = call;
  checkOptionNames(options, NAMES);
  const margins = { m1: 1, m2: 0, m3: 0, sampleMarginTerm: 'm3' } as const;
  return familyCall(call, { margins });
}
