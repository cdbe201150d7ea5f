import type { Fallback } from '../native/addon.js';
import { familyAttrs } from './family-options.js';
import type { LossCall, MarginSoftmaxCallArguments } from './run-margin-softmax.js';
import type { FamilyOptions, Margins } from './types.js';

/** What a margin softmax loss has of its own, beside `FamilyOptions`. */
export interface FamilyRule {
  margins: Margins;
  fallback?: Fallback;
  annealing?: number;
}

/** The call of such a loss, `FamilyOptions` checked and made attributes. */
export function familyCall(
  { embeddings, weights, labels, options }: LossCall<FamilyOptions>,
  { margins, fallback = 'continuous', annealing = 0 }: FamilyRule,
): MarginSoftmaxCallArguments {
  const family = familyAttrs(options);
  const plain = !family && fallback === 'continuous' && annealing === 0;
  return {
    embeddings,
    weights,
    labels,
    options,
    margins,
    family: plain ? undefined : { fallback, annealing, ...family },
    bias: options.bias,
    defaultScale: family?.normalizeEmbeddings === false ? 1 : 64,
  };
}
