import {
  clone,
  customGrad,
  engine,
  type GradSaveFunc,
  serialization,
  type Tensor,
  tensor,
} from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { once, withTapeReleased } from '../kernels/not-differentiable.js';
import { checkNumber, checkOptionNames } from '../loss/check-options.js';
import type { MarginSoftmaxTensorResult } from '../loss/types.js';
import { CosFaceError } from '../native/errors.js';
import {
  type HeadEvaluateOptions,
  type HeadEvaluateResult,
  type HeadOptimizer,
  ResidentHead,
} from '../native/resident-head.js';
import { sampleClasses } from '../native/sample-classes.js';
import { CosFaceHead, type CosFaceHeadArgs, MARGIN_HEAD_NAMES } from './cosface-head.js';
import { headLabels } from './head-labels.js';

/** Class sampling in training; evaluation always goes over all classes. */
export interface ClassSampling {
  /** The part of the classes that takes part in a step, in (0, 1]; the classes of its labels always do. */
  rate: number;
  /** Default 0. */
  seed?: number;
}

/** The options of `residentCosFaceHead`: those of `cosFaceHead` but for what the head's own optimiser replaces. */
export interface ResidentCosFaceHeadArgs
  extends Omit<CosFaceHeadArgs, 'centerInitializer' | 'centerRegularizer' | 'trainable' | 'gradient'> {
  /** Of the centres; the model's own optimiser does not see them. In [0, 1e6]; may be set later: `head.learningRate`. */
  learningRate: number;
  /** In [0, 1e6]. Default 0. */
  weightDecay?: number | null;
  /** Default: SGD with momentum 0.9. */
  optimizer?: HeadOptimizer | null;
  /** Whether each centre is divided by its length after it has moved. Default false. */
  normalize?: boolean | null;
  /** Default: all classes in every step. */
  classSampling?: ClassSampling | null;
}

const OWN_NAMES = ['learningRate', 'weightDecay', 'optimizer', 'normalize', 'classSampling'];
const NAMES: ReadonlySet<string> = new Set([
  ...[...MARGIN_HEAD_NAMES].filter((name) => !/^(center(Initializer|Regularizer)|trainable|gradient)$/.test(name)),
  ...OWN_NAMES,
]);

const RATE_RANGE = { holds: (v: number) => v >= 0 && v <= 1e6, text: 'a number in [0, 1e6]' };
const SAMPLING_RANGE = { holds: (v: number) => v > 0 && v <= 1, text: 'a number in (0, 1]' };

/**
 * A training head whose centres are no TensorFlow.js variable: they and their optimiser's state live in native memory, as
 * a `ResidentHead`, and move in the backward pass of each step. Made by `residentCosFaceHead`.
 */
export class ResidentCosFaceHead extends CosFaceHead {
  static override className: string = 'ResidentCosFaceHead';

  learningRate: number;
  weightDecay: number;
  readonly classSampling: Required<ClassSampling> | null;
  private readonly optimizer: HeadOptimizer;
  private readonly normalize: boolean;
  private head: ResidentHead | undefined;
  private moves: object = {};

  constructor(args: ResidentCosFaceHeadArgs) {
    super(args);
    this.learningRate = checkNumber('learningRate', args.learningRate, RATE_RANGE);
    this.weightDecay = checkNumber('weightDecay', args.weightDecay ?? 0, RATE_RANGE);
    this.optimizer = args.optimizer ?? { kind: 'sgd' };
    this.normalize = args.normalize ?? false;
    this.classSampling = args.classSampling
      ? {
          rate: checkNumber('classSampling.rate', args.classSampling.rate, SAMPLING_RANGE),
          seed: args.classSampling.seed ?? 0,
        }
      : null;
  }

  /** The centres and their state: to read, and to save by `saveResidentHead`. */
  get resident(): ResidentHead {
    if (this.head) return this.head;
    throw this.notBuilt();
  }

  /**
   * Takes the centres, the optimiser's state and the count of steps of a loaded head, and with them the memory: dispose
   * of the layer, not of `head`.
   *
   * @throws {CosFaceError} COSFACE_SHAPE if it has other classes or features.
   */
  restore(head: ResidentHead): void {
    const { classes, dim } = this.resident;
    if (head.classes !== classes || head.dim !== dim)
      throw new CosFaceError(
        'COSFACE_SHAPE',
        `the head has ${head.classes} classes of ${head.dim} features, expected ${classes} of ${dim} as the model's. ` +
          'Load the one that was saved with this model.',
        { argument: 'head' },
      );
    if (head !== this.head) this.head?.dispose();
    this.head = head;
    this.moves = {};
  }

  override build(inputShape: Shape | Shape[]): void {
    const { numClasses: classes, optimizer, normalize } = this;
    const seed = this.seed ?? Math.floor(Math.random() * 2 ** 32);
    this.head = new ResidentHead({ classes, dim: this.embeddingSize(inputShape), seed, optimizer, normalize });
    this.built = true;
  }

  override dispose(): ReturnType<CosFaceHead['dispose']> {
    const result = super.dispose();
    if (result.refCountAfterDispose === 0) this.head?.dispose();
    return result;
  }

  override getConfig(): serialization.ConfigDict {
    const { gradient, centerInitializer, centerRegularizer, trainable, ...config } = super.getConfig();
    const { learningRate, weightDecay, normalize, classSampling } = this;
    return {
      ...config,
      ...{ learningRate, weightDecay, normalize, optimizer: { ...this.optimizer } as serialization.ConfigDict },
      classSampling: classSampling && { ...classSampling },
    };
  }

  protected override centersNow(): unknown {
    return this.moves;
  }

  protected override run(target: Tensor, embeddings: Tensor): MarginSoftmaxTensorResult {
    const labels = headLabels(target, this.numClasses);
    const batch = { ...this.lossOptions(), labels: labels.dataSync() as Int32Array };
    labels.dispose();
    const training = engine().isTapeOn();
    if (training) batch.classIds = this.drawClasses(batch.labels);
    const result = this.resident.evaluate({ ...batch, embeddings: embeddings.dataSync() as Float32Array });
    const outputs = tensorsOf(result);
    if (!training) return outputs;
    const loss = customGrad((...args: Array<Tensor | GradSaveFunc>) => {
      (args[1] as GradSaveFunc)([args[0] as Tensor]);
      const gradFunc = (lossGradient: Tensor, saved: Tensor[]): Tensor =>
        once('a resident head', [...saved, lossGradient], () =>
          withTapeReleased(() => [this.move(batch, saved[0] as Tensor, lossGradient)]),
        )[0] as Tensor;
      return { value: clone(outputs.loss), gradFunc };
    })(embeddings);
    outputs.loss.dispose();
    return { ...outputs, loss } as MarginSoftmaxTensorResult;
  }

  /** The backward pass of a batch, which moves the centres. */
  private move(batch: Omit<HeadEvaluateOptions, 'embeddings'>, embeddings: Tensor, lossGradient: Tensor): Tensor {
    const { dEmbeddings } = this.resident.step({
      ...batch,
      embeddings: embeddings.dataSync() as Float32Array,
      lossGradient: lossGradient.dataSync() as Float32Array,
      learningRate: this.learningRate,
      weightDecay: this.weightDecay,
    });
    this.moves = {};
    return tensor(dEmbeddings, embeddings.shape, 'float32');
  }

  private drawClasses(labels: Int32Array): Int32Array | undefined {
    if (!this.classSampling) return undefined;
    const { numClasses } = this;
    const { ignoreLabel } = this.options;
    return sampleClasses({ ...this.classSampling, labels, numClasses, ignoreLabel, step: this.resident.steps });
  }

  private lossOptions(): Omit<HeadEvaluateOptions, 'embeddings' | 'labels'> {
    const { scale, ignoreLabel, precision, gradientTolerance } = this.options;
    const { m1, m2, m3 } = this.margins;
    return { scale, m1, m2, m3, ignoreLabel, precision, gradientTolerance };
  }
}
serialization.registerClass(ResidentCosFaceHead);

/**
 * `cosFaceHead` for so many classes that the centres' gradient is too much memory, or a step over all of them too much
 * time: the same layer for `model.compile` and `fit`, with its own optimiser for the centres, which are moved while the
 * model's optimiser moves the rest. docs/large-classes.md has figures.
 *
 * A step costs the loss once more than `ResidentHead.step`, because `fit` wants the loss before it gives its gradient.
 * A saved model holds the layer without its centres: `saveResidentHead(head.resident, path)` writes them, and after
 * loading `head.restore(await loadResidentHead(path))` brings them back. Differentiating the loss is what moves the
 * centres, so do it once a step; freezing everything before the head freezes the head.
 *
 * @param args - `numClasses` and `learningRate`, and optionally the rest of `ResidentCosFaceHeadArgs`.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value out of range; COSFACE_NO_BINARY when the model is built; from
 * `fit`, what `ResidentHead.step` throws.
 * @example
 * const head = residentCosFaceHead({ numClasses: 1e6, learningRate: 0.1, classSampling: { rate: 0.1 } });
 * model.add(head);
 * model.compile({ optimizer: tf.train.momentum(0.1, 0.9), loss: head.loss, metrics: [head.accuracy] });
 * await model.fit(faces, labels);
 */
export function residentCosFaceHead(args: ResidentCosFaceHeadArgs): ResidentCosFaceHead {
  checkOptionNames(args, NAMES);
  return new ResidentCosFaceHead(args);
}

function tensorsOf({ loss, targetCosine, prediction }: HeadEvaluateResult): MarginSoftmaxTensorResult {
  return {
    loss: tensor(loss, [loss.length], 'float32'),
    targetCosine: tensor(targetCosine, [loss.length], 'float32'),
    prediction: tensor(prediction, [loss.length], 'int32'),
  } as MarginSoftmaxTensorResult;
}
