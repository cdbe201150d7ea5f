import type { FamilyAttributes } from '../native/addon.js';

/** The family with all of it off. */
export const PLAIN_FAMILY: FamilyAttributes = {
  fallback: 'continuous',
  annealing: 0,
  normalizeEmbeddings: true,
  normalizeWeights: true,
  labelSmoothing: 0,
  interclassFilter: undefined,
  negatives: undefined,
  subCenters: 1,
  curve: { kind: 'cosine' },
  binary: undefined,
};
