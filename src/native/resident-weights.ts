import type { NativeAddon, ResidentHandle } from './addon.js';
import { chooseDevice, type Device } from './backend-choice.js';
import { asClassIds, asPositions } from './class-positions.js';
import { CosFaceError } from './errors.js';
import { allocateStep } from './head-store.js';
import { loadAddon } from './load.js';
import { type MarginSoftmaxOptions, readStep } from './margin-softmax-options.js';

/** What ResidentWeights is made of. */
export interface ResidentWeightsOptions {
  /** w, [C, D]; copied to the GPU. Left out: zeros, and `classes` says how many. */
  weights?: Float32Array | undefined;
  /** C; needed where there are no `weights`. */
  classes?: number | undefined;
  /** D, a whole number in [1, 4096]. */
  dim: number;
  /** Default 'cuda', the first GPU. */
  device?: Exclude<Device, 'auto' | 'cpu'> | undefined;
}

/** Arguments of a step: those of marginSoftmax but for the weights, which are on the GPU. */
export type ResidentStepOptions = Omit<MarginSoftmaxOptions, 'weights' | 'dim' | 'device'>;

/** What a step gives. */
export interface ResidentStepResult {
  /** [N], weighted; 0 where ignored. */
  loss: Float32Array;
  /** [N], cos(x_i, w_y) without margin; 0 where ignored. */
  targetCosine: Float32Array;
  /** [N], the lowest class index of the largest cosine, without margin. */
  prediction: Int32Array;
  /** [N, D], the gradient of the mean loss; with `gradients` only. */
  dEmbeddings?: Float32Array;
}

/** Stochastic gradient descent: v = momentum v + gradient + weightDecay w; w -= learningRate v. */
export interface ResidentUpdate {
  /** In [0, 1e6]. */
  learningRate: number;
  /** In [0, 1). Default 0. */
  momentum?: number | undefined;
  /** In [0, 1e6]. Default 0. */
  weightDecay?: number | undefined;
}

/**
 * Class weights that stay on a GPU between steps, with their gradient and their velocity: only embeddings, labels and
 * results travel.
 *
 * The memory is given back by dispose() (or `using`), at the latest when the object is collected. Every method throws
 * COSFACE_DISPOSED after that.
 *
 * @example
 * using weights = new ResidentWeights({ weights: initial, dim: 512 });
 * for (const { embeddings, labels } of batches) {
 *   const { loss, dEmbeddings } = weights.step({ embeddings, labels, m3: 0.35, gradients: true });
 *   weights.update({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 });
 * }
 * const trained = weights.read();
 */
export class ResidentWeights {
  /** C. */
  readonly classes: number;
  /** D. */
  readonly dim: number;
  readonly #addon: NativeAddon;
  readonly #handle: ResidentHandle;
  #gradientRows = 0;

  /**
   * @throws {CosFaceError} COSFACE_DEVICE_UNAVAILABLE with the reason; COSFACE_OUT_OF_MEMORY; COSFACE_DTYPE or
   * COSFACE_SHAPE for weights or dimensions that are wrong; COSFACE_NO_BINARY.
   */
  constructor(options: ResidentWeightsOptions) {
    const { weights, dim, device = 'cuda' } = options;
    const choice = chooseDevice(device);
    if (choice.device !== 'cuda')
      throw new CosFaceError(
        'COSFACE_OPTION_RANGE',
        `device is '${device}', expected 'cuda', 'cuda:1' and so on: resident weights are on a GPU.`,
        { argument: 'device' },
      );
    const classes = options.classes ?? Math.floor((weights?.length ?? 0) / dim);
    this.#addon = loadAddon();
    this.#handle = this.#addon.createResident({ weights, classes, dim, ...choice });
    this.classes = classes;
    this.dim = dim;
  }

  /**
   * Loss of a batch as marginSoftmax gives it. With `gradients` the gradient of the weights stays on the GPU, for
   * update(), until the next step with gradients.
   *
   * @throws {CosFaceError} as marginSoftmax; COSFACE_DEVICE_FAILED where the GPU fails, after which no gradient is left.
   */
  step(options: ResidentStepOptions): ResidentStepResult {
    const { gradients, ...inputs } = readStep(options);
    const outputs = allocateStep(inputs, gradients);
    if (gradients) this.#gradientRows = 0;
    this.#addon.runResident(this.#handle, { ...asPositions(inputs), ...outputs }, gradients);
    if (inputs.classIds) asClassIds(outputs.prediction, inputs.classIds);
    if (gradients) this.#gradientRows = inputs.classIds?.length ?? this.classes;
    return outputs;
  }

  /** Moves the weights against the gradient of the last step with gradients; only the classes that took part in it. */
  update({ learningRate, momentum = 0, weightDecay = 0 }: ResidentUpdate): void {
    this.#addon.updateResident(this.#handle, { learningRate, momentum, weightDecay });
  }

  /** The weights, [C, D], or `classes` rows of them from `firstClass` on. */
  read(firstClass = 0, classes: number = this.classes - firstClass): Float32Array {
    const values = new Float32Array(classes * this.dim);
    this.#addon.readResident(this.#handle, 'weights', firstClass, values);
    return values;
  }

  /** The gradient of the last step with gradients: [C, D], or [S, D] where that step had `classIds`; empty before it. */
  readGradient(): Float32Array {
    const values = new Float32Array(this.#gradientRows * this.dim);
    this.#addon.readResident(this.#handle, 'gradient', 0, values);
    return values;
  }

  /** The velocity, [C, D]; with weights that are read too, all that a checkpoint needs. */
  readVelocity(): Float32Array {
    const values = new Float32Array(this.classes * this.dim);
    this.#addon.readResident(this.#handle, 'velocity', 0, values);
    return values;
  }

  /** Replaces whole rows of the weights, from `firstClass` on. */
  write(weights: Float32Array, firstClass = 0): void {
    this.#addon.writeResident(this.#handle, 'weights', firstClass, weights);
  }

  /** Replaces the velocity, [C, D]. */
  writeVelocity(velocity: Float32Array): void {
    this.#addon.writeResident(this.#handle, 'velocity', 0, velocity);
  }

  /** Gives the GPU's memory back. May be called again. */
  dispose(): void {
    this.#addon.freeResident(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
