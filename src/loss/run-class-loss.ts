import type { Tensor } from '@tensorflow/tfjs-core';
import { differentiable } from '../kernels/differentiable.js';
import { CosFaceError } from '../native/errors.js';
import { warnOutOfBounds } from './bounds.js';
import { checkFloats, checkTensors } from './check-arguments.js';
import { checkCommonOptions } from './check-options.js';
import {
  type ClassLossAttrs,
  type ClassLossInput,
  type ClassLossTensors,
  fusedMarginTerm,
  PLAIN_CLASS_LOSS,
} from './class-loss.js';
import { composedClassLoss } from './composed-class-loss.js';
import { runLoss } from './run-margin-softmax.js';
import type { Labels, LossOptions, MarginTerm } from './types.js';

/** A call of any loss over classes, its own options already checked and turned into attributes. */
export interface ClassLossCall {
  embeddings: Tensor;
  weights: Tensor;
  labels: Labels;
  options: LossOptions;
  /** What differs from `PLAIN_CLASS_LOSS` and from the common options. */
  attrs: Partial<ClassLossAttrs>;
  /** How an error names the loss. */
  label: string;
  /** Which margin `options.sampleMargins` replaces. Default m3. */
  sampleMarginTerm?: MarginTerm;
  /** Margins for each sample that the loss has made itself, [N]; the caller disposes them. */
  ownMargins?: { m2?: Tensor; m3?: Tensor };
  /** [C], or a scalar with a binary form. */
  bias?: Tensor | undefined;
  /** Default 64. */
  defaultScale?: number;
}

/**
 * Runs a loss over classes: the one place that chooses between the fused kernel, for what it serves, and the composed
 * ops, which serve all.
 */
export function runClassLoss(call: ClassLossCall): Tensor {
  const { embeddings, weights, labels, options, ownMargins = {}, bias } = call;
  const common = checkCommonOptions(options, call.defaultScale);
  const attrs: ClassLossAttrs = { ...PLAIN_CLASS_LOSS, ...common, ...call.attrs };
  const { m1, m2, m3 } = attrs;
  const term = call.sampleMarginTerm ?? 'm3';
  const given = options.sampleMargins == null ? ownMargins : { [term]: options.sampleMargins as Tensor };
  const fused = fusedMarginTerm(attrs, { ...given, ...(bias && { bias }) });
  if (fused) {
    const sampleMargins = options.sampleMargins ?? ownMargins.m2 ?? ownMargins.m3;
    const margins = { m1, m2, m3, sampleMarginTerm: fused };
    return runLoss({
      embeddings,
      weights,
      labels,
      options: { ...options, scale: attrs.scale, sampleMargins },
      margins,
    });
  }
  const { tensors, made } = checkTensors(embeddings, weights, labels, options);
  try {
    const { sampleMargins, ...others } = tensors;
    const all = { ...others, ...ownMargins, ...(sampleMargins && { [term]: sampleMargins }) } as ClassLossTensors;
    const classes = checkClasses(weights, attrs.subCenters);
    if (bias) all.bias = checkBias(bias, classes, attrs);
    const cosines = attrs.normalizeEmbeddings && attrs.normalizeWeights;
    if (cosines && attrs.curve.kind === 'cosine' && !attrs.binary) {
      const margins = { m1, m2, m3, sampleMarginTerm: term };
      warnOutOfBounds(attrs.scale, margins, classes, weights.shape[1] as number);
    }
    return runComposed(all, attrs, call.label);
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

function runComposed(tensors: ClassLossTensors, attrs: ClassLossAttrs, label: string): Tensor {
  const inputs = Object.keys(tensors).filter((name) => name !== 'labels') as ClassLossInput[];
  return differentiable({
    ...{ label, inputs },
    tensors: tensors as ClassLossTensors & Record<string, Tensor>,
    reduced: attrs.reduction !== 'none',
    compute: (given, withGradients, lossGradient) =>
      composedClassLoss(given as ClassLossTensors, attrs, { withGradients, lossGradient }),
  });
}

function checkClasses(weights: Tensor, subCenters: number): number {
  const [rows] = weights.shape as [number];
  if (rows % subCenters === 0) return rows / subCenters;
  throw new CosFaceError(
    'COSFACE_SHAPE',
    `weights has shape [${weights.shape}], expected a multiple of ${subCenters} rows because subCenters is ${subCenters}: ` +
      'the rows of a class follow each other.',
    { argument: 'weights' },
  );
}

function checkBias(bias: Tensor, classes: number, { binary }: ClassLossAttrs): Tensor {
  return binary
    ? checkFloats('bias', bias, [], ', one number for all classes')
    : checkFloats('bias', bias, [classes], ', one number for each class');
}
