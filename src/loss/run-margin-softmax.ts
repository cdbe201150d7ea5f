import { clone, engine, type Tensor, type Tensor1D } from '@tensorflow/tfjs-core';
import type { MarginSoftmaxAttrs } from '../kernels/kernel-names.js';
import {
  differentiableMarginSoftmax,
  type MarginSoftmaxResult,
  type Speculation,
} from '../kernels/margin-softmax-gradient.js';
import { constantOf, withTapeUnwound } from '../kernels/not-differentiable.js';
import { warnOutOfBounds } from './bounds.js';
import { checkTensors } from './check-arguments.js';
import { type CheckedOptions, checkCommonOptions } from './check-options.js';
import { chooseExecutor } from './choose-executor.js';
import { withPerSampleGradients } from './per-sample-gradient.js';
import type { Labels, LossOptions, MarginSoftmaxTensorResult, Margins } from './types.js';

/** A call of any loss of the family, its own options already turned into margins. */
export interface MarginSoftmaxCallArguments {
  embeddings: Tensor;
  weights: Tensor;
  labels: Labels;
  options: LossOptions;
  margins: Margins;
  speculation?: Speculation;
}

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

function run({
  embeddings,
  weights,
  labels,
  options,
  margins,
  speculation,
}: MarginSoftmaxCallArguments): MarginSoftmaxResult {
  const attrs = attributes(checkCommonOptions(options), margins);
  const { tensors, made } = checkTensors(embeddings, weights, labels, options);
  warnOutOfBounds(attrs.scale, margins, weights.shape[0] as number, weights.shape[1] as number);
  try {
    const executor = chooseExecutor();
    return withTapeUnwound(() =>
      differentiableMarginSoftmax(executor, withPerSampleGradients(executor, tensors, attrs), attrs, speculation),
    );
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

/** Spelt out: spreading two objects takes a microsecond, and so much of the call's own cost. */
function attributes(options: CheckedOptions, margins: Margins): MarginSoftmaxAttrs {
  return {
    scale: options.scale,
    m1: margins.m1,
    m2: margins.m2,
    m3: margins.m3,
    ignoreLabel: options.ignoreLabel,
    reduction: options.reduction,
    gradient: options.gradient,
    sampleMarginTerm: margins.sampleMarginTerm,
    precision: options.precision,
    gradientTolerance: options.gradientTolerance,
    withGradients: false,
  };
}
