import {
  add,
  addN,
  dispose,
  mul,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tidy,
  type Variable,
  variable,
  zerosLike,
} from '@tensorflow/tfjs-core';

/** A variable that is trained. */
export interface Parameter {
  /** Unique and the same in every run: what a checkpoint knows it by. */
  name: string;
  variable: Variable;
  /** Whether weight decay pulls it. */
  decays: boolean;
  /** A factor on the learning rate. Default 1. */
  rateFactor?: number;
}

export interface SgdOptions {
  momentum: number;
  weightDecay: number;
}

/**
 * Stochastic gradient descent with momentum and weight decay, as PyTorch and Caffe have it:
 *
 *   v = momentum v + g + weightDecay w,   w = w - rate v
 *
 * tfjs's own momentum optimiser has no weight decay, and its saved state has no names.
 */
export class Sgd {
  readonly #parameters: readonly Parameter[];
  readonly #options: SgdOptions;
  readonly #velocities: Variable[];

  constructor(parameters: readonly Parameter[], options: SgdOptions) {
    this.#parameters = parameters;
    this.#options = options;
    this.#velocities = parameters.map(({ variable: weight }) => tidy(() => variable(zerosLike(weight), false)));
  }

  /** The velocity of each parameter, in their order; what must be saved beside the weights. */
  get state(): readonly Variable[] {
    return this.#velocities;
  }

  /**
   * One step. `gradients` are in the order of the parameters; the caller disposes them.
   *
   * @param factor - What the gradients are multiplied by first, as for clipping.
   */
  update(gradients: readonly Tensor[], { rate, factor }: { rate: number; factor: number }): void {
    const { momentum, weightDecay } = this.#options;
    this.#parameters.forEach(({ variable: weight, decays, rateFactor = 1 }, at) => {
      const velocity = this.#velocities[at] as Variable;
      tidy(() => {
        let pull: Tensor = gradients[at] as Tensor;
        if (factor !== 1) pull = mul(pull, factor);
        if (decays && weightDecay !== 0) pull = add(pull, mul(weight, weightDecay));
        const next = momentum === 0 ? pull : add(mul(velocity, momentum), pull);
        velocity.assign(next);
        weight.assign(sub(weight, mul(next, rate * rateFactor)));
      });
    });
  }

  dispose(): void {
    dispose(this.#velocities);
  }
}

/** The length of all gradients taken together: the 2-norm that clipping bounds. Not finite if a gradient is not. */
export async function gradientNorm(gradients: readonly Tensor[]): Promise<number> {
  const length = tidy(() => sqrt(addN(gradients.map((gradient) => sum(square(gradient))))));
  const [value] = await length.data();
  length.dispose();
  return value as number;
}
