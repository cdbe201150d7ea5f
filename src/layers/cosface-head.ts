import {
  cast,
  div,
  engine,
  equal,
  logicalAnd,
  maximum,
  notEqual,
  scalar,
  serialization,
  sum,
  type Tensor,
  tidy,
} from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable, layers, type regularizers, type Shape } from '@tensorflow/tfjs-layers';
import type { Speculation } from '../kernels/margin-softmax-gradient.js';
import {
  type CheckedOptions,
  checkCommonOptions,
  checkNumber,
  checkOptionNames,
  M1_RANGE,
  M2_RANGE,
  M3_RANGE,
  type Range,
} from '../loss/check-options.js';
import { runMarginSoftmax } from '../loss/run-margin-softmax.js';
import type { GradientMode, MarginSoftmaxTensorResult, Margins, Precision } from '../loss/types.js';
import { CosFaceError } from '../native/errors.js';
import { headLabels } from './head-labels.js';
import { deserializeObject, type SerializedObject, serializeObject } from './serializable-config.js';

export type Initializer = ReturnType<typeof initializers.zeros>;
export type Regularizer = ReturnType<typeof regularizers.l2>;

/** The options of `cosFaceHead`. */
export interface CosFaceHeadArgs {
  /** C, the number of classes. */
  numClasses: number;
  /** s, above 0. Default 64. Few classes want less: 16 to 30 for a thousand. */
  scale?: number | null;
  /** m of CosFace, in [0, 2]; another name for `m3`. Default 0.35, but 0 if m1 or m2 is given. */
  margin?: number | null;
  /** Factor on the angle (SphereFace), in (0, 16]. Default 1. */
  m1?: number | null;
  /** Offset of the angle in radians (ArcFace), in [0, pi]. Default 0. */
  m2?: number | null;
  /** Offset of the cosine (CosFace), in [0, 2]. */
  m3?: number | null;
  /** The label of samples that do not count; an int32. Default -1. */
  ignoreLabel?: number | null;
  /** `exact` (default) or `detached`; see `LossOptions`. */
  gradient?: GradientMode | null;
  /** `fp32` (default), `bf16-gradients` or `bf16`; see `LossOptions`. */
  precision?: Precision | null;
  /** What the gradients may leave out, in [0, 1). Default 0; see `LossOptions`. */
  gradientTolerance?: number | null;
  /**
   * How the centres start. Default: normal with standard deviation 1 / sqrt(D). Only the direction of a centre
   * matters, but its gradient goes with 1 / |w|: with 0.01 a learning rate of 0.1 throws the directions about.
   */
  centerInitializer?: Initializer | SerializedObject | null;
  /** Seed of the default initialiser. Default: a new start every time. */
  seed?: number | null;
  /** A penalty on the centres, as the `kernelRegularizer` of a dense layer. Default: none. */
  centerRegularizer?: Regularizer | SerializedObject | null;
  /** The layer's name. */
  name?: string;
  /** Whether the centres learn. Default true. */
  trainable?: boolean;
}

/** Those of `CosFaceHeadArgs`, and of every layer of tfjs-layers. */
export const HEAD_NAMES: ReadonlySet<string> = new Set([
  ...['numClasses', 'scale', 'margin', 'm1', 'm2', 'm3', 'ignoreLabel', 'gradient'],
  ...['precision', 'gradientTolerance', 'centerInitializer', 'seed', 'centerRegularizer', 'name', 'trainable'],
  ...['inputShape', 'batchInputShape', 'batchSize', 'dtype', 'inputDType', 'updatable', 'weights'],
]);

const CLASSES_RANGE: Range = {
  holds: (v) => Number.isInteger(v) && v >= 1 && v < 2 ** 31,
  text: 'a whole number of at least 1',
};

/** What the last loss has found out, for an accuracy of the very same tensors. */
interface LastRun {
  target: Tensor;
  embeddings: Tensor;
  /** What the centres were then; another value: they have moved. */
  centers: unknown;
  prediction: Tensor;
}

/**
 * The training head: owns the class centres w [C, D], passes embeddings through unchanged, and supplies the loss and
 * the accuracy for `model.compile`. Logits of size N x C never exist. Made by `cosFaceHead`.
 */
export class CosFaceHead extends layers.Layer {
  static className: string = 'CosFaceHead';

  readonly numClasses: number;
  readonly margins: Margins;
  protected readonly options: CheckedOptions;
  protected readonly seed: number | null;
  private readonly centerInitializer: Initializer | null;
  private readonly centerRegularizer: Regularizer | null;
  private readonly speculation: Speculation = { hold: true };
  private centers: LayerVariable | undefined;
  private lastRun: LastRun | undefined;

  constructor(args: CosFaceHeadArgs) {
    super(args as ConstructorParameters<typeof layers.Layer>[0]);
    this.numClasses = checkNumber('numClasses', args.numClasses, CLASSES_RANGE);
    this.margins = headMargins(args);
    this.options = checkCommonOptions({
      scale: args.scale ?? undefined,
      ignoreLabel: args.ignoreLabel ?? undefined,
      gradient: args.gradient ?? undefined,
      precision: args.precision ?? undefined,
      gradientTolerance: args.gradientTolerance ?? undefined,
      reduction: 'none',
    });
    this.seed = args.seed ?? null;
    const { centerInitializer, centerRegularizer } = args;
    this.centerInitializer = centerInitializer ? deserializeObject('centerInitializer', centerInitializer) : null;
    this.centerRegularizer = centerRegularizer ? deserializeObject('centerRegularizer', centerRegularizer) : null;
  }

  /**
   * The loss of each sample, [N]: give it to `model.compile` as `loss`. 0 for ignored samples, which `fit` still counts
   * in its mean.
   *
   * @param target - Class indices, [N] or [N, 1], int32 or float32, each in [0, C) or `ignoreLabel`.
   * @param embeddings - What the layer put out, [N, D].
   */
  readonly loss = (target: Tensor, embeddings: Tensor): Tensor => {
    const { loss, targetCosine, prediction } = this.run(target, embeddings, this.speculation);
    targetCosine.dispose();
    this.remember(target, embeddings, prediction);
    return loss;
  };

  /**
   * The share of samples whose nearest centre, without margin, is their own; ignored samples do not count. A scalar.
   * Costs next to nothing after `loss` of the same tensors, as in `fit` and `evaluate`.
   *
   * @param target - As for `loss`.
   * @param embeddings - As for `loss`.
   */
  readonly accuracy = (target: Tensor, embeddings: Tensor): Tensor =>
    tidy(() => {
      const prediction = this.recall(target, embeddings) ?? this.run(target, embeddings).prediction;
      const labels = headLabels(target, this.numClasses);
      // A plain number would be a float32, which skips whole numbers above 2^24.
      const counts = notEqual(labels, scalar(this.options.ignoreLabel, 'int32'));
      const correct = logicalAnd(equal(prediction, labels), counts);
      return div(sum(cast(correct, 'float32')), maximum(sum(cast(counts, 'float32')), 1));
    });

  override build(inputShape: Shape | Shape[]): void {
    const dim = this.embeddingSize(inputShape);
    const start = this.centerInitializer ?? defaultInitializer(dim, this.seed);
    const penalty = this.centerRegularizer ?? undefined;
    this.centers = this.addWeight('centers', [this.numClasses, dim], 'float32', start, penalty, true);
    this.built = true;
  }

  /** D, from the shape of the inputs, [N, D]. */
  protected embeddingSize(inputShape: Shape | Shape[]): number {
    const shape = inputShape as Shape;
    const dim = shape[1];
    if (shape.length !== 2 || !dim) {
      throw new CosFaceError(
        'COSFACE_RANK',
        `${this.name} gets inputs of shape [${shape.map((d) => d ?? 'N')}], expected [N, D] with a known D. Put a ` +
          'tf.layers.flatten() or a pooling layer before it.',
        { argument: 'embeddings' },
      );
    }
    return dim;
  }

  /** The embeddings themselves. */
  override call(inputs: Tensor | Tensor[]): Tensor {
    return Array.isArray(inputs) ? (inputs[0] as Tensor) : inputs;
  }

  /**
   * [N, any]: the output is [N, D], but tfjs-layers holds targets against the shape declared here, and the target of
   * this head is [N] or [N, 1].
   */
  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return [(inputShape as Shape)[0] ?? null, null];
  }

  override getConfig(): serialization.ConfigDict {
    const { numClasses, seed, centerInitializer, centerRegularizer } = this;
    const { scale, ignoreLabel, gradient, precision, gradientTolerance } = this.options;
    const { m1, m2, m3 } = this.margins;
    return {
      ...super.getConfig(),
      ...{ numClasses, scale, m1, m2, m3, ignoreLabel, gradient, precision, gradientTolerance, seed },
      centerInitializer: centerInitializer && serializeObject(centerInitializer),
      centerRegularizer: centerRegularizer && serializeObject(centerRegularizer),
    };
  }

  protected run(target: Tensor, embeddings: Tensor, speculation?: Speculation): MarginSoftmaxTensorResult {
    const labels = headLabels(target, this.numClasses);
    try {
      return runMarginSoftmax({
        ...{ embeddings, weights: this.builtCenters(), labels, options: this.options, margins: this.margins },
        ...(speculation && { speculation }),
      });
    } finally {
      labels.dispose();
    }
  }

  /** Another value whenever the centres have moved: a variable gets a new dataId with every assignment. */
  protected centersNow(): unknown {
    return this.builtCenters().dataId;
  }

  private builtCenters(): Tensor {
    if (this.centers) return this.centers.read();
    throw this.notBuilt();
  }

  protected notBuilt(): CosFaceError {
    return new CosFaceError(
      'COSFACE_SHAPE',
      `${this.name} has no centres yet: they are made when it is added to a model or applied to a tensor. Do that first.`,
    );
  }

  /** Only inside a tidy, which disposes the prediction in time; outside, nobody would. */
  private remember(target: Tensor, embeddings: Tensor, prediction: Tensor): void {
    if (engine().state.activeScope == null) {
      prediction.dispose();
      this.lastRun = undefined;
      return;
    }
    this.lastRun = { target, embeddings, centers: this.centersNow(), prediction };
  }

  private recall(target: Tensor, embeddings: Tensor): Tensor | undefined {
    const last = this.lastRun;
    if (!last || last.prediction.isDisposed || last.centers !== this.centersNow()) return undefined;
    return last.target === target && last.embeddings === embeddings ? last.prediction : undefined;
  }
}
serialization.registerClass(CosFaceHead);

/**
 * A training head for `model.compile` and `fit`: a layer that owns one centre per class and computes the margin softmax
 * loss from embeddings, without ever forming the N x C logits.
 *
 * `tf.loadLayersModel` knows the layer once this module is imported; take `head` from `headOf(model)` and compile
 * anew, since a saved model does not hold its loss functions. `fit` takes `classWeight`; `sampleWeight` is not
 * implemented in tfjs-layers 4.22 itself: use `cosFaceLoss` in a loop of your own.
 *
 * @param args - `numClasses`, and optionally `scale` (64), `margin` (0.35) or `m1`, `m2`, `m3`, and the rest of
 * `CosFaceHeadArgs`.
 * @throws {CosFaceError} COSFACE_OPTION_RANGE for a value out of range; from `fit`, what `marginSoftmax` throws.
 *
 * Source: Wang et al., CosFace, CVPR 2018, eq. (4).
 * @example
 * const head = cosFaceHead({ numClasses: 10575, scale: 64, margin: 0.35 });
 * model.add(head);
 * model.compile({ optimizer: tf.train.momentum(0.1, 0.9), loss: head.loss, metrics: [head.accuracy] });
 * await model.fit(faces, labels);
 */
export function cosFaceHead(args: CosFaceHeadArgs): CosFaceHead {
  checkOptionNames(args, HEAD_NAMES);
  return new CosFaceHead(args);
}

function headMargins({ margin, m1, m2, m3 }: CosFaceHeadArgs): Margins {
  if (margin != null && m3 != null) {
    throw new CosFaceError('COSFACE_OPTION_RANGE', 'margin and m3 are the same margin; give one of them.', {
      argument: 'margin',
    });
  }
  const others = m1 != null || m2 != null;
  return {
    m1: checkNumber('m1', m1 ?? 1, M1_RANGE),
    m2: checkNumber('m2', m2 ?? 0, M2_RANGE),
    m3: checkNumber(margin != null ? 'margin' : 'm3', margin ?? m3 ?? (others ? 0 : 0.35), M3_RANGE),
    sampleMarginTerm: 'm3',
  };
}

function defaultInitializer(dim: number, seed: number | null): Initializer {
  const config = { mean: 0, stddev: 1 / Math.sqrt(dim) };
  // TensorFlow.js takes the seed 0 for none.
  return initializers.randomNormal(seed === null ? config : { ...config, seed: seed === 0 ? Number.MIN_VALUE : seed });
}
