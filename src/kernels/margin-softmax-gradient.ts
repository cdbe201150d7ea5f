import {
  clone,
  customGrad,
  engine,
  type GradSaveFunc,
  keep,
  mul,
  type NamedTensorMap,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { DIFFERENTIABLE_INPUTS, type MarginSoftmaxAttrs, type MarginSoftmaxGradAttrs } from './kernel-names.js';
import { once, withTapeReleased } from './not-differentiable.js';

/** The tensors of one call, by the kernel's input names; an input that is not given has no key. */
export interface MarginSoftmaxTensors extends NamedTensorMap {
  embeddings: Tensor;
  weights: Tensor;
  labels: Tensor;
  sampleWeights?: Tensor;
  sampleM1?: Tensor;
  sampleM2?: Tensor;
  sampleM3?: Tensor;
  bias?: Tensor;
}

/** What computes the two kernels: a backend's registered ones, or the composed ops. Neither is ever recorded. */
export interface MarginSoftmaxExecutor {
  /** As the kernel `MarginSoftmax`. */
  marginSoftmax(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxAttrs): Tensor[];
  /** As the kernel `MarginSoftmaxGrad`. */
  marginSoftmaxGrad(tensors: MarginSoftmaxTensors, lossGradient: Tensor, attrs: MarginSoftmaxGradAttrs): Tensor[];
}

/**
 * Whether a loss with reduction `none` computes gradients in its forward call, in the hope that the backward call
 * brings the same factor for every sample, as a mean does. `hold` says so; a backward call sets it to what was true.
 */
export interface Speculation {
  hold: boolean;
}

export interface MarginSoftmaxResult {
  loss: Tensor;
  targetCosine: Tensor;
  prediction: Tensor;
}

/**
 * Runs margin softmax so that `loss` can be differentiated by all its inputs but the labels, on any backend.
 *
 * With reduction mean or sum the gradients come out of the forward call (6NCD flops in all) and the backward call
 * scales them. With `none` they are computed in the backward call, unless `speculation` holds.
 *
 * A custom gradient, not one registered for the kernel: the engine fills the gradient of every unused output with
 * zeros, a C x D array to write for nothing, and it cannot save inputs that are optional.
 *
 * `attrs.withGradients` is false; the tape decides.
 *
 * `targetCosine` and `prediction` belong to the caller and carry no gradient; see `constantOf`.
 */
export function differentiableMarginSoftmax(
  executor: MarginSoftmaxExecutor,
  tensors: MarginSoftmaxTensors,
  attrs: MarginSoftmaxAttrs,
  speculation?: Speculation,
): MarginSoftmaxResult {
  if (!engine().isTapeOn()) {
    const [loss, targetCosine, prediction] = executor.marginSoftmax(tensors, attrs);
    return { loss, targetCosine, prediction } as MarginSoftmaxResult;
  }
  const withGradients = attrs.reduction !== 'none' || speculation?.hold === true;
  const names = DIFFERENTIABLE_INPUTS.filter((name) => tensors[name]);
  const given = names.map((name) => tensors[name] as Tensor);
  let targetCosine: Tensor | undefined;
  let prediction: Tensor | undefined;

  const run = customGrad((...args: Array<Tensor | GradSaveFunc>) => {
    const save = args[args.length - 1] as GradSaveFunc;
    const outputs = executor.marginSoftmax(tensors, { ...attrs, withGradients });
    const gradients = outputs.slice(3);
    save([...gradients, tensors.labels, ...(args.slice(0, -1) as Tensor[])]);
    targetCosine = keep(outputs[1] as Tensor);
    prediction = keep(outputs[2] as Tensor);
    const gradFunc = (lossGradient: Tensor, saved: Tensor[]): Tensor[] => {
      const inputs = saved.slice(gradients.length + 1);
      const recalled = Object.fromEntries(names.map((name, i) => [name, inputs[i] as Tensor])) as MarginSoftmaxTensors;
      recalled.labels = saved[gradients.length] as Tensor;
      const ready = saved.slice(0, gradients.length);
      return once('a margin softmax loss', [...inputs, lossGradient], () =>
        withTapeReleased(() => backward({ executor, tensors: recalled, attrs, ready, lossGradient, speculation })),
      );
    };
    return { value: outputs[0] as Tensor, gradFunc };
  });
  const loss = run(...given);
  return { loss, targetCosine: adopt(targetCosine as Tensor), prediction: adopt(prediction as Tensor) };
}

/** Hands a kept tensor over to the scope that is current now. */
function adopt(kept: Tensor): Tensor {
  const tensor = clone(kept);
  kept.dispose();
  return tensor;
}

interface Backward {
  executor: MarginSoftmaxExecutor;
  tensors: MarginSoftmaxTensors;
  attrs: MarginSoftmaxGradAttrs;
  /** The gradients of the reduced loss (reduction `none`: of the sum), or nothing. */
  ready: Tensor[];
  lossGradient: Tensor;
  speculation: Speculation | undefined;
}

function backward({ executor, tensors, attrs, ready, lossGradient, speculation }: Backward): Tensor[] {
  // A copy of one number or of N. Backends with a native kernel hold it in this process's memory, and even elsewhere
  // it costs less than a pass over [C, D].
  const factor = attrs.reduction !== 'none' || speculation ? commonValue(lossGradient) : undefined;
  if (speculation) speculation.hold = factor !== undefined;
  if (ready.length === 0 || factor === undefined) return executor.marginSoftmaxGrad(tensors, lossGradient, attrs);
  return ready.map((gradient) => (factor === 1 ? clone(gradient) : mul(gradient, factor)));
}

/** The value that all elements share, or `undefined`; 0 for no elements. */
function commonValue(tensor: Tensor): number | undefined {
  const values = tensor.dataSync();
  const first = values[0] ?? 0;
  return values.every((value) => value === first) ? first : undefined;
}
