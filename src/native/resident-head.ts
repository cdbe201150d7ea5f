import type { HeadCreation, HeadPart, HeadUpdate, ResidentCall } from './addon.js';
import { chooseDevice, type Device } from './backend-choice.js';
import { CosFaceError, spell } from './errors.js';
import { allocateStep, createHeadStore, type HeadStore } from './head-store.js';
import { loadAddon } from './load.js';
import { type MarginSoftmaxOptions, readHeadCall } from './margin-softmax-options.js';

/** How the class centres of a ResidentHead move. */
export type HeadOptimizer =
  /** v = momentum v + g + weightDecay w; w -= learningRate v. Momentum in [0, 1), default 0.9; with 0 there is no v. */
  | { kind: 'sgd'; momentum?: number | undefined }
  /** Loshchilov and Hutter, ICLR 2019. Defaults 0.9, 0.999 and 1e-8. */
  | { kind: 'adamw'; beta1?: number | undefined; beta2?: number | undefined; epsilon?: number | undefined };

/** What a ResidentHead is made of. */
export interface ResidentHeadOptions {
  /** C, a whole number in [1, 2^31). */
  classes: number;
  /** D, a whole number in [1, 2^24]. */
  dim: number;
  /**
   * w, [C, D], copied; or 'zeros', which no step can move: for weights that are then written row by row. Default: uniform
   * random numbers of standard deviation 1 / sqrt(D), from `seed`.
   */
  weights?: Float32Array | 'zeros' | undefined;
  /** Of the default weights: a whole number, default 0. The same weights on every machine. */
  seed?: number | undefined;
  /** Default: SGD with momentum 0.9. */
  optimizer?: HeadOptimizer | undefined;
  /** Whether each row is divided by its length after it has moved. Default false. */
  normalize?: boolean | undefined;
  /** 'cpu' (default), 'cuda', 'cuda:1', ... A GPU has SGD only, no `normalize` and no asynchronous steps. */
  device?: Exclude<Device, 'auto'> | undefined;
}

/** A batch and its loss: the arguments of marginSoftmax but for those that the head has itself. */
export interface HeadEvaluateOptions extends Omit<MarginSoftmaxOptions, 'weights' | 'dim' | 'device' | 'gradients'> {}

/** A batch and how far to move. */
export interface HeadStepOptions extends HeadEvaluateOptions {
  /** In [0, 1e6]. */
  learningRate: number;
  /** In [0, 1e6]. Default 0. */
  weightDecay?: number | undefined;
  /** dL / d loss_i, [N]: the gradients are then those of sum(lossGradient_i loss_i) in place of the mean's. */
  lossGradient?: Float32Array | null | undefined;
}

/** What evaluate gives. */
export interface HeadEvaluateResult {
  /** [N], weighted; 0 where ignored. */
  loss: Float32Array;
  /** sum(loss) / (samples with label != ignoreLabel and weight != 0); their sum with `lossGradient`. */
  reducedLoss: number;
  /** [N], cos(x_i, w_y) without margin; 0 where ignored. */
  targetCosine: Float32Array;
  /** [N], the lowest class index of the largest cosine, without margin. */
  prediction: Int32Array;
  /** The share of the samples that are not ignored whose prediction is their label; 0 where all are. */
  accuracy: number;
}

/** What step gives. */
export interface HeadStepResult extends HeadEvaluateResult {
  /** [N, D], the gradient of the mean loss, or as `lossGradient` says. */
  dEmbeddings: Float32Array;
}

/**
 * Class centres and the state of their optimiser, in native memory. A step takes embeddings and labels, gives loss,
 * accuracy and the gradient of the embeddings, and moves the centres: each row's gradient is used while it is in cache,
 * so that the [C, D] gradient takes no memory. docs/large-classes.md has figures.
 *
 * With `classIds` (sampleClasses) only those rows and their state are touched: momentum and weight decay of the others
 * rest, and AdamW counts the updates of each row by itself. A step that fails has changed nothing.
 *
 * Memory on the CPU: 4 CD bytes for the weights, 4 CD for momentum or 8 CD + 4 C for AdamW, and `workspaceBytes`, more
 * only for batches of thousands. Given back by dispose() (or `using`), at the latest when the object is collected.
 *
 * @example
 * using head = new ResidentHead({ classes: 1e6, dim: 512, seed: 1, optimizer: { kind: 'sgd', momentum: 0.9 } });
 * for (const { embeddings, labels } of batches) {
 *   const classIds = sampleClasses({ labels, numClasses: head.classes, rate: 0.1, step: head.steps });
 *   const { loss, dEmbeddings } = head.step({ embeddings, labels, classIds, m3: 0.35, learningRate: 0.1 });
 * }
 * await saveResidentHead(head, 'head.cosface');
 */
export class ResidentHead {
  /** C. */
  readonly classes: number;
  /** D. */
  readonly dim: number;
  readonly optimizer: HeadOptimizer;
  readonly normalize: boolean;
  /** The parts that there are for each class, in the order of a saved head. */
  readonly parts: readonly HeadPart[];
  readonly #store: HeadStore;
  #steps = 0;
  #busyWith: string | null = null;

  /**
   * @throws {CosFaceError} COSFACE_OUT_OF_MEMORY; COSFACE_SHAPE, COSFACE_DTYPE or COSFACE_OPTION_RANGE with the argument;
   * COSFACE_DEVICE_UNAVAILABLE; COSFACE_UNSUPPORTED for what a GPU lacks; COSFACE_NO_BINARY.
   */
  constructor(options: ResidentHeadOptions) {
    const { classes, dim, weights, seed = 0, normalize = false, device = 'cpu' } = options;
    this.optimizer = Object.freeze({ kind: 'sgd', ...options.optimizer } as HeadOptimizer);
    const creation: HeadCreation = { classes, dim, normalize, ...nativeOptimizer(this.optimizer) };
    this.#store = createHeadStore(loadAddon(), creation, chooseDevice(device));
    this.classes = classes;
    this.dim = dim;
    this.normalize = normalize;
    this.parts = ResidentHead.partsOf(this.optimizer);
    try {
      this.#fill(weights, seed);
    } catch (error) {
      this.#store.free();
      throw error;
    }
  }

  /** The parts that a head with this optimiser has for each class. */
  static partsOf(optimizer: HeadOptimizer): HeadPart[] {
    if (optimizer.kind === 'adamw') return ['weights', 'firstMoment', 'secondMoment', 'updates'];
    return optimizer.momentum === 0 ? ['weights'] : ['weights', 'velocity'];
  }

  /** How many steps have moved the centres; kept by save. Good as the `step` of sampleClasses. */
  get steps(): number {
    return this.#steps;
  }

  /** For loading: a count that a file or a checkpoint holds. */
  set steps(count: number) {
    if (!Number.isSafeInteger(count) || count < 0)
      throw new CosFaceError(
        'COSFACE_OPTION_RANGE',
        `steps is ${spell(count)}, expected a whole number of at least 0.`,
        {
          argument: 'steps',
        },
      );
    this.#steps = count;
  }

  /**
   * Loss and gradient of a batch, and the move of the centres.
   *
   * @throws {CosFaceError} as marginSoftmax; COSFACE_BUSY while an asynchronous call runs; COSFACE_DISPOSED. Nothing has
   * changed then, but on a GPU that fails (COSFACE_DEVICE_FAILED).
   */
  step(options: HeadStepOptions): HeadStepResult {
    const { call, update } = readStep(options);
    return this.#run(call, update) as HeadStepResult;
  }

  /** step() off the event loop: same bits. Arrays may be changed once this has returned; one call on a head at a time. */
  async stepAsync(options: HeadStepOptions): Promise<HeadStepResult> {
    const { call, update } = readStep(options);
    return (await this.#runAsync('stepAsync', call, update)) as HeadStepResult;
  }

  /** Loss and predictions of a batch; the centres stay as they are. @throws {CosFaceError} as step. */
  evaluate(options: HeadEvaluateOptions): HeadEvaluateResult {
    return this.#run(readHeadCall(options, 'evaluate'), null);
  }

  /** evaluate() off the event loop. */
  async evaluateAsync(options: HeadEvaluateOptions): Promise<HeadEvaluateResult> {
    return await this.#runAsync('evaluateAsync', readHeadCall(options, 'evaluate'), null);
  }

  /** The weights, [C, D], or `classes` rows of them from `firstClass` on. */
  read(firstClass = 0, classes: number = this.classes - firstClass): Float32Array {
    const values = new Float32Array(classes * this.dim);
    this.readPart('weights', firstClass, values);
    return values;
  }

  /** Replaces whole rows of the weights, from `firstClass` on. */
  write(weights: Float32Array, firstClass = 0): void {
    this.writePart('weights', firstClass, weights);
  }

  /** Reads whole rows of one of `parts` into `values`: D numbers a class, and one for 'updates' (an Int32Array). */
  readPart(part: HeadPart, firstClass: number, values: Float32Array | Int32Array): void {
    this.#requirePart(part);
    this.#requireIdle();
    this.#store.read(part, firstClass, values);
  }

  /** The other way round. */
  writePart(part: HeadPart, firstClass: number, values: Float32Array | Int32Array): void {
    this.#requirePart(part);
    this.#requireIdle();
    this.#store.write(part, firstClass, values);
  }

  /** Keeps others from moving the head while `action` reads or writes it piece by piece; errors name `what`. */
  async exclusively<T>(what: string, action: (access: Pick<HeadStore, 'read' | 'write'>) => Promise<T>): Promise<T> {
    this.#requireIdle();
    this.#busyWith = what;
    try {
      return await action(this.#store);
    } finally {
      this.#busyWith = null;
    }
  }

  /** Gives the memory back, once a running step is done. May be called again; anything else is COSFACE_DISPOSED then. */
  dispose(): void {
    this.#store.free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #run(call: ResidentCall, update: HeadUpdate | null): HeadEvaluateResult {
    this.#requireIdle();
    const outputs = allocateStep(call, update !== null);
    const { reducedLoss } = this.#store.step({ ...call, ...outputs }, update);
    if (update) this.#steps++;
    return { ...outputs, reducedLoss, accuracy: accuracyOf(call, outputs.prediction) };
  }

  async #runAsync(what: string, call: ResidentCall, update: HeadUpdate | null): Promise<HeadEvaluateResult> {
    // As they were when the call was made: the caller may change them once it has returned.
    const labels = call.labels instanceof Int32Array ? call.labels.slice() : call.labels;
    return await this.exclusively(what, async () => {
      const { counted, zeroEmbeddings, zeroWeights, ...result } = await this.#store.stepAsync(call, update);
      if (update) this.#steps++;
      return { ...result, accuracy: accuracyOf({ ...call, labels }, result.prediction) };
    });
  }

  #fill(weights: Float32Array | 'zeros' | undefined, seed: number): void {
    const { classes, dim } = this;
    if (weights === 'zeros') return;
    if (weights !== undefined) {
      checkWeights(weights, this);
      this.#store.write('weights', 0, weights);
      return;
    }
    const addon = loadAddon();
    const rows = Math.max(1, Math.floor(CHUNK_ELEMENTS / dim));
    for (let first = 0; first < classes; first += rows) {
      const values = new Float32Array(Math.min(rows, classes - first) * dim);
      addon.uniformRows({ seed, firstRow: first, dim, bound: Math.sqrt(3 / dim), values });
      this.#store.write('weights', first, values);
    }
  }

  #requirePart(part: HeadPart): void {
    if (this.parts.includes(part)) return;
    throw new CosFaceError(
      'COSFACE_OPTION_RANGE',
      `part is ${spell(part)}, expected one that this optimiser has: ${this.parts.join(', ')}.`,
      { argument: 'part' },
    );
  }

  #requireIdle(): void {
    if (this.#busyWith === null) return;
    throw new CosFaceError(
      'COSFACE_BUSY',
      `${this.#busyWith} is still running on this head, expected one call at a time. Await its promise first.`,
    );
  }
}

function checkWeights(weights: Float32Array, { classes, dim }: { classes: number; dim: number }): void {
  if (!(weights instanceof Float32Array))
    throw new CosFaceError('COSFACE_DTYPE', `weights is ${spell(weights)}, expected a Float32Array.`, {
      argument: 'weights',
    });
  if (weights.length !== classes * dim)
    throw new CosFaceError(
      'COSFACE_SHAPE',
      `weights has length ${weights.length}, expected ${classes * dim}: ${classes} classes of ${dim} features.`,
      { argument: 'weights' },
    );
}

/** Elements of a piece of the weights that is made or copied at a time. */
const CHUNK_ELEMENTS = 2 ** 20;

function nativeOptimizer(
  optimizer: HeadOptimizer,
): Pick<HeadCreation, 'optimizer' | 'momentum' | 'beta1' | 'beta2' | 'epsilon'> {
  const { kind } = optimizer;
  if (kind === 'sgd') return { optimizer: kind, momentum: optimizer.momentum ?? 0.9 };
  const { beta1, beta2, epsilon } = optimizer;
  return { optimizer: kind, beta1, beta2, epsilon };
}

function readStep(options: HeadStepOptions): { call: ResidentCall; update: HeadUpdate } {
  const call = readHeadCall(options, 'step');
  const { learningRate, weightDecay = 0, lossGradient } = options;
  if (typeof learningRate !== 'number')
    throw new CosFaceError('COSFACE_OPTION_RANGE', `learningRate is ${spell(learningRate)}, expected a number.`, {
      argument: 'learningRate',
    });
  const reduction = lossGradient == null ? 'mean' : 'none';
  return { call: { ...call, lossGradient, reduction }, update: { learningRate, weightDecay } };
}

function accuracyOf(
  { labels, ignoreLabel }: Pick<ResidentCall, 'labels' | 'ignoreLabel'>,
  prediction: Int32Array,
): number {
  let counted = 0;
  let correct = 0;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] === ignoreLabel) continue;
    counted++;
    if (labels[i] === prediction[i]) correct++;
  }
  return counted === 0 ? 0 : correct / counted;
}
