import {
  clone,
  customGrad,
  engine,
  type GradSaveFunc,
  mul,
  type NamedTensorMap,
  type Tensor,
  tidy,
} from '@tensorflow/tfjs-core';
import { once, withTapeReleased } from './not-differentiable.js';

/** A loss and its gradients by the tensors of the same names. */
export interface ValueAndGradients {
  loss: Tensor;
  gradients: Partial<Record<string, Tensor>>;
}

/** A loss whose gradients are spelt out. */
export interface Differentiable<T extends NamedTensorMap> {
  /** How an error names it. */
  label: string;
  tensors: T;
  /** What it may be differentiated by: float32 tensors among `tensors`. */
  inputs: ReadonlyArray<keyof T & string>;
  /** Whether the loss is a scalar; else it is [N]. */
  reduced: boolean;
  /** Runs in a tidy. `lossGradient` is [N], or undefined for 1; never given with a scalar loss. */
  compute(tensors: T, withGradients: boolean, lossGradient?: Tensor): ValueAndGradients;
}

/**
 * Computes a loss so that it can be differentiated once; differentiating a gradient of it throws
 * COSFACE_NOT_DIFFERENTIABLE. A scalar loss comes with its gradients, which the backward pass scales; a loss for each
 * sample gets them in the backward pass.
 */
export function differentiable<T extends NamedTensorMap>(spec: Differentiable<T>): Tensor {
  const { label, tensors, inputs, reduced, compute } = spec;
  if (!engine().isTapeOn()) return tidy(() => compute(tensors, false).loss);
  const names = Object.keys(tensors);
  return customGrad((...args: Array<Tensor | GradSaveFunc>) => {
    const save = args.at(-1) as GradSaveFunc;
    const { loss, gradients } = compute(tensors, reduced);
    const ready = reduced ? inputs.map((name) => gradients[name] as Tensor) : [];
    save([...ready, ...names.map((name) => tensors[name] as Tensor)]);
    const gradFunc = (lossGradient: Tensor, saved: Tensor[]): Tensor[] => {
      const recalled = Object.fromEntries(names.map((name, i) => [name, saved[ready.length + i]])) as T;
      const sources = [...inputs.map((name) => recalled[name] as Tensor), lossGradient];
      return once(label, sources, () =>
        withTapeReleased(() => {
          if (reduced) return saved.slice(0, ready.length).map((gradient) => mul(gradient, lossGradient));
          return tidy(() => {
            const { gradients } = compute(recalled, true, lossGradient);
            return inputs.map((name) => clone(gradients[name] as Tensor));
          });
        }),
      );
    };
    return { value: loss, gradFunc };
  })(...inputs.map((name) => tensors[name] as Tensor));
}
