import type { MarginSoftmaxGradAttrs } from '../kernels/kernel-names.js';
import type { NegativesRule } from '../native/addon.js';
import { CosFaceError, spell } from '../native/errors.js';
import {
  COUNT_RANGE,
  checkBoolean,
  checkChoice,
  checkNumber,
  NONNEGATIVE_RANGE,
  optionNames,
  outOfRange,
  type Range,
  SHARE_RANGE,
} from './check-options.js';
import type { FamilyOptions } from './types.js';

const FAMILY = [
  ...['labelSmoothing', 'interclassFilter', 'negatives', 'subCenters'],
  ...['normalizeEmbeddings', 'normalizeWeights', 'bias'],
] as const;

const COSINE_RANGE: Range = { holds: (v) => v > -1 && v <= 1, text: 'a cosine in (-1, 1]' };
const KINDS = ['curricular', 'mv-arc', 'mv-am'] as const;

/** The names of the common options, of `FamilyOptions` and of a loss's own. */
export function familyOptionNames(...own: string[]): ReadonlySet<string> {
  return new Set([...optionNames(...own), ...FAMILY]);
}

type FamilyAttrs = Pick<
  MarginSoftmaxGradAttrs,
  'labelSmoothing' | 'interclassFilter' | 'negatives' | 'subCenters' | 'normalizeEmbeddings' | 'normalizeWeights'
>;

/** The options beyond the margins, checked; `undefined` if none is given, which most calls of the fused kernel are. */
export function familyAttrs(options: FamilyOptions): FamilyAttrs | undefined {
  if (FAMILY.every((name) => (options as Record<string, unknown>)[name] == null)) return undefined;
  const { interclassFilter, negatives } = options;
  const attrs: FamilyAttrs = {
    labelSmoothing: checkNumber('labelSmoothing', options.labelSmoothing ?? 0, SHARE_RANGE),
    interclassFilter:
      interclassFilter == null ? undefined : checkNumber('interclassFilter', interclassFilter, COSINE_RANGE),
    negatives: negatives == null ? undefined : checkNegatives(negatives),
    subCenters: checkNumber('subCenters', options.subCenters ?? 1, COUNT_RANGE),
    normalizeEmbeddings: checkBoolean('normalizeEmbeddings', options.normalizeEmbeddings ?? true),
    normalizeWeights: checkBoolean('normalizeWeights', options.normalizeWeights ?? true),
  };
  const cosines = attrs.normalizeEmbeddings && attrs.normalizeWeights;
  for (const name of ['interclassFilter', 'negatives'] as const) {
    if (!cosines && attrs[name] !== undefined) throw needsCosines(name);
  }
  return attrs;
}

function checkNegatives(negatives: NegativesRule): NegativesRule {
  if (typeof negatives !== 'object') throw outOfRange('negatives', negatives, 'an object { kind, t }');
  return {
    kind: checkChoice('negatives.kind', negatives.kind, KINDS),
    t: checkNumber(
      'negatives.t',
      negatives.t,
      negatives.kind === 'curricular' ? COSINE_RANGE_CLOSED : NONNEGATIVE_RANGE,
    ),
  };
}

/** The mean of cosines. */
const COSINE_RANGE_CLOSED: Range = { holds: (v) => v >= -1 && v <= 1, text: 'a number in [-1, 1]' };

function needsCosines(name: string): CosFaceError {
  return new CosFaceError(
    'COSFACE_OPTION_RANGE',
    `${name} compares cosines, but normalizeEmbeddings or normalizeWeights is ${spell(false)}. Normalise both, or leave ${name} out.`,
    { argument: name },
  );
}
