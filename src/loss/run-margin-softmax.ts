import { clone, engine, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import type { MarginSoftmaxAttrs } from '../kernels/kernel-names.js';
import {
  differentiableMarginSoftmax,
  type MarginSoftmaxResult,
  type MarginSoftmaxTensors,
  type Speculation,
} from '../kernels/margin-softmax-gradient.js';
import { constantOf, withTapeUnwound } from '../kernels/not-differentiable.js';
import type { FamilyAttributes } from '../native/addon.js';
import { CosFaceError } from '../native/errors.js';
import { warnOutOfBounds } from './bounds.js';
import { checkFloats, checkTensors } from './check-arguments.js';
import { type CheckedOptions, checkCommonOptions } from './check-options.js';
import { chooseExecutor } from './choose-executor.js';
import { PLAIN_FAMILY } from './plain-family.js';
import type { Labels, LossOptions, MarginSoftmaxTensorResult, Margins } from './types.js';

/** A call of any loss over classes, its own options already checked and turned into margins and attributes. */
export interface MarginSoftmaxCallArguments {
  embeddings: Tensor;
  weights: Tensor;
  labels: Labels;
  options: LossOptions;
  margins: Margins;
  /** What the loss is beyond its margins. Default: nothing. */
  family?: Partial<FamilyAttributes> | undefined;
  /** [C], or a scalar with a binary form. */
  bias?: Tensor | undefined;
  /** Default 64. */
  defaultScale?: number;
  speculation?: Speculation | undefined;
}

/** A call of one loss, with the options that are its own. */
export type LossCall<Options> = Pick<MarginSoftmaxCallArguments, 'embeddings' | 'weights' | 'labels'> & {
  options: Options;
};

/** Loss, target cosine and prediction; going back through the last two throws COSFACE_NOT_DIFFERENTIABLE. */
export function runMarginSoftmax(call: MarginSoftmaxCallArguments): MarginSoftmaxTensorResult {
  const result = run(call);
  if (!engine().isTapeOn()) return result as MarginSoftmaxTensorResult;
  const sources = [call.embeddings, call.weights];
  const constant = (name: 'targetCosine' | 'prediction'): Tensor1D => {
    const tensor = result[name];
    const guarded = constantOf({ sources, argument: name }, () => clone(tensor));
    tensor.dispose();
    return guarded as Tensor1D;
  };
  return { loss: result.loss, targetCosine: constant('targetCosine'), prediction: constant('prediction') };
}

/** The loss alone. */
export function runLoss(call: MarginSoftmaxCallArguments): Tensor {
  const { loss, targetCosine, prediction } = run(call);
  targetCosine.dispose();
  prediction.dispose();
  return loss;
}

function run(call: MarginSoftmaxCallArguments): MarginSoftmaxResult {
  const { embeddings, weights, labels, options, margins, speculation } = call;
  const attrs = attributes(checkCommonOptions(options, call.defaultScale), margins, call.family);
  const { tensors, made } = checkTensors(embeddings, weights, labels, options, margins.sampleMarginTerm);
  try {
    const classes = checkClasses(tensors, attrs, call.bias);
    const cosines = attrs.normalizeEmbeddings && attrs.normalizeWeights;
    if (cosines && attrs.curve.kind === 'cosine' && !attrs.binary) {
      warnOutOfBounds(attrs.scale, margins, classes, weights.shape[1] as number);
    }
    return withTapeUnwound(() => differentiableMarginSoftmax(chooseExecutor(), tensors, attrs, speculation));
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

/** Checks what goes by classes, and puts the bias among the tensors. Returns C. */
function checkClasses(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxAttrs, bias: Tensor | undefined): number {
  const { subCenters } = attrs;
  const rows = tensors.weights.shape[0] as number;
  if (rows % subCenters !== 0) {
    throw new CosFaceError(
      'COSFACE_SHAPE',
      `weights has shape [${tensors.weights.shape}], expected a multiple of ${subCenters} rows because subCenters is ` +
        `${subCenters}: the rows of a class follow each other.`,
      { argument: 'weights' },
    );
  }
  const classes = rows / subCenters;
  if (bias) {
    tensors.bias = attrs.binary
      ? checkFloats('bias', bias, [], ', one number for all classes')
      : checkFloats('bias', bias, [classes], ', one number for each class');
  }
  return classes;
}

/** Spelt out: spreading two objects takes a microsecond, and so much of the call's own cost. */
function attributes(
  options: CheckedOptions,
  { m1, m2, m3 }: Margins,
  beyond: Partial<FamilyAttributes> | undefined,
): MarginSoftmaxAttrs {
  const family = beyond ? { ...PLAIN_FAMILY, ...beyond } : PLAIN_FAMILY;
  return {
    scale: options.scale,
    m1,
    m2,
    m3,
    ignoreLabel: options.ignoreLabel,
    reduction: options.reduction,
    gradient: options.gradient,
    precision: options.precision,
    // Binary forms have no probabilities to leave out; the kernels refuse what would be a permission.
    gradientTolerance: family.binary ? 0 : options.gradientTolerance,
    fallback: family.fallback,
    annealing: family.annealing,
    normalizeEmbeddings: family.normalizeEmbeddings,
    normalizeWeights: family.normalizeWeights,
    labelSmoothing: family.labelSmoothing,
    interclassFilter: family.interclassFilter,
    negatives: family.negatives,
    subCenters: family.subCenters,
    curve: family.curve,
    binary: family.binary,
    withGradients: false,
  };
}
