import type { Tensor } from '@tensorflow/tfjs-core';
import type { Fallback } from './class-loss.js';
import { familyAttrs } from './family-options.js';
import { runClassLoss } from './run-class-loss.js';
import { runLoss } from './run-margin-softmax.js';
import type { FamilyOptions, Labels, Margins } from './types.js';

/** A call of a margin softmax loss that takes `FamilyOptions`. */
export interface FamilyCall {
  embeddings: Tensor;
  weights: Tensor;
  labels: Labels;
  options: FamilyOptions;
  margins: Margins;
  label: string;
  fallback?: Fallback;
  annealing?: number;
}

/** Straight to the fused kernel with margins alone; else by `runClassLoss`. */
export function runFamily(call: FamilyCall): Tensor {
  const { embeddings, weights, labels, options, margins, label, fallback = 'continuous', annealing = 0 } = call;
  const family = familyAttrs(options);
  if (!family && fallback === 'continuous' && annealing === 0) {
    return runLoss({ embeddings, weights, labels, options, margins });
  }
  const { m1, m2, m3, sampleMarginTerm } = margins;
  const { bias } = options;
  return runClassLoss({
    ...{ embeddings, weights, labels, options, label, sampleMarginTerm, bias },
    attrs: { m1, m2, m3, fallback, annealing, ...family },
    defaultScale: family?.normalizeEmbeddings === false ? 1 : 64,
  });
}
