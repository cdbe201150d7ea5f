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
import { type CheckedOptions, checkNumber, checkOptionNames, type Range } from '../loss/check-options.js';
import { runMarginSoftmax } from '../loss/run-margin-softmax.js';
import type {
  Fallback,
  GradientMode,
  MarginSoftmaxTensorResult,
  Margins,
  NegativesRule,
  Precision,
} from '../loss/types.js';
import { CosFaceError } from '../native/errors.js';
import { headLabels } from './head-labels.js';
import { type HeadLoss, type HeadLossName, headLoss } from './head-loss.js';
import { deserializeObject, type SerializedObject, serializeObject } from './serializable-config.js';

export type Initializer = ReturnType<typeof initializers.zeros>;
export type Regularizer = ReturnType<typeof regularizers.l2>;

/** The options of `cosFaceHead`. */
export interface CosFaceHeadArgs {
  /** C, the number of classes. */
  numClasses: number;
  /** Which loss, docs/losses.md has them. Default `cosface`, with whatever margins are given. */
  loss?: HeadLossName | null;
  /** s, above 0. Default that of the loss, mostly 64. Few classes want less: 16 to 30 for a thousand. */
  scale?: number | null;
  /** m of the loss. With `cosface` another name for `m3`: in [0, 2], default 0.35, but 0 if m1 or m2 is given. */
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
  /** What a margin on the angle does past pi; see `arcFaceLoss`. */
  fallback?: Fallback | null;
  /** lambda of the losses with a factor on the angle. A number for good; for a schedule use the loss's function. */
  lambda?: number | null;
  /** kind and t of `mv-softmax`. */
  kind?: 'am' | 'arc' | null;
  t?: number | null;
  /** Of `sphereface2` and `uniface`, as in their functions. */
  exponent?: number | null;
  balance?: number | null;
  lossWeight?: number | null;
  negativeWeight?: number | null;
  /** As in `FamilyOptions`; each with the losses whose functions take it. */
  labelSmoothing?: number | null;
  interclassFilter?: number | null;
  negatives?: NegativesRule | null;
  /** K centres for each class: the layer's weights are then [C K, D]. */
  subCenters?: number | null;
  normalizeEmbeddings?: boolean | null;
  normalizeWeights?: boolean | null;
  /** Whether the layer has a bias, [C], added to the logits; starts at 0. Default false. `sphereface2` and `uniface` always have one, a scalar. */
  useBias?: boolean | null;
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

/** Those that go on to the loss. */
const LOSS_OPTIONS = [
  ...['scale', 'margin', 'm1', 'm2', 'm3', 'ignoreLabel', 'gradient', 'precision', 'gradientTolerance'],
  ...['fallback', 'lambda', 'kind', 't', 'exponent', 'balance', 'lossWeight', 'negativeWeight', 'labelSmoothing'],
  ...['interclassFilter', 'negatives', 'subCenters', 'normalizeEmbeddings', 'normalizeWeights'],
] as const;

/** Those of a head that has margins alone, and of every layer of tfjs-layers. */
export const MARGIN_HEAD_NAMES: ReadonlySet<string> = new Set([
  ...['numClasses', 'scale', 'margin', 'm1', 'm2', 'm3', 'ignoreLabel', 'gradient'],
  ...['precision', 'gradientTolerance', 'centerInitializer', 'seed', 'centerRegularizer', 'name', 'trainable'],
  ...['inputShape', 'batchInputShape', 'batchSize', 'dtype', 'inputDType', 'updatable', 'weights'],
]);

const HEAD_NAMES: ReadonlySet<string> = new Set(['loss', 'useBias', ...LOSS_OPTIONS, ...MARGIN_HEAD_NAMES]);

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
  private readonly headLoss: HeadLoss;
  private readonly useBias: boolean;
  private readonly centerInitializer: Initializer | null;
  private readonly centerRegularizer: Regularizer | null;
  private readonly speculation: Speculation = { hold: true };
  private centers: LayerVariable | undefined;
  private bias: LayerVariable | undefined;
  private lastRun: LastRun | undefined;

  constructor(args: CosFaceHeadArgs) {
    super(args as ConstructorParameters<typeof layers.Layer>[0]);
    this.numClasses = checkNumber('numClasses', args.numClasses, CLASSES_RANGE);
    this.useBias = args.useBias ?? false;
    const options = Object.fromEntries(
      LOSS_OPTIONS.flatMap((name) => (args[name] == null ? [] : [[name, args[name]] as const])),
    );
    this.headLoss = headLoss({ name: args.loss ?? 'cosface', useBias: this.useBias, options }, this.numClasses);
    this.margins = this.headLoss.margins;
    this.options = this.headLoss.options;
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
    const { subCenters, bias } = this.headLoss;
    this.centers = this.addWeight('centers', [this.numClasses * subCenters, dim], 'float32', start, penalty, true);
    if (bias) {
      const atStart = initializers.constant({ value: bias.start });
      this.bias = this.addWeight('bias', bias.shape, 'float32', atStart, undefined, true);
    }
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
   * [N, any], where the output is [N, D], but tfjs-layers holds targets against the shape declared here, and the target of
   * this head is [N] or [N, 1].
   */
  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return [(inputShape as Shape)[0] ?? null, null];
  }

  override getConfig(): serialization.ConfigDict {
    const { numClasses, seed, centerInitializer, centerRegularizer, useBias } = this;
    const { name: loss, given } = this.headLoss;
    const { margin, ...options } = given;
    const { scale, ignoreLabel, gradient, precision, gradientTolerance } = this.options;
    const { m1, m2, m3 } = this.margins;
    const margins = { ...options, m1, m2, m3, scale, ignoreLabel, gradient, precision, gradientTolerance };
    return {
      ...super.getConfig(),
      ...{ numClasses, loss, useBias, seed, ...((loss === 'cosface' ? margins : given) as serialization.ConfigDict) },
      centerInitializer: centerInitializer && serializeObject(centerInitializer),
      centerRegularizer: centerRegularizer && serializeObject(centerRegularizer),
    };
  }

  protected run(target: Tensor, embeddings: Tensor, speculation?: Speculation): MarginSoftmaxTensorResult {
    const labels = headLabels(target, this.numClasses);
    try {
      const call = this.headLoss.call({ embeddings, weights: this.builtCenters(), labels }, this.bias?.read());
      return runMarginSoftmax({ ...call, speculation });
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
 * loss from embeddings, or another loss over classes (`loss`), without ever forming the N x C logits.
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

function defaultInitializer(dim: number, seed: number | null): Initializer {
  const config = { mean: 0, stddev: 1 / Math.sqrt(dim) };
  // TensorFlow.js takes the seed 0 for none.
  return initializers.randomNormal(seed === null ? config : { ...config, seed: seed === 0 ? Number.MIN_VALUE : seed });
}
