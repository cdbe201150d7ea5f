import {
  cast,
  losses,
  type Optimizer,
  oneHot,
  type Tensor,
  tensor1d,
  tensor2d,
  tidy,
  transpose,
} from '@tensorflow/tfjs-core';
import { initializers, type LayersModel, layers, metrics, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { cosFaceHead } from '../layers/cosface-head.js';

/** What a classifier is trained by: a plain linear layer with softmax, or LMCL (with margin 0: NormFace). */
export type Objective = { loss: 'softmax' } | { loss: 'lmcl'; scale: number; margin: number };

export interface ClassifierOptions {
  /** From inputs to embeddings [N, D]. */
  embedder: LayersModel;
  objective: Objective;
  numClasses: number;
  optimizer: Optimizer;
  seed: number;
  /** Where the class centres start, row-major [C, D]. Default: at random. */
  centres?: Float32Array;
}

/** An embedder with a head on it, compiled, for `trainOnBatch` and `evaluate`. Both share the embedder's layers. */
export interface Classifier {
  model: LayersModel;
  /** Class indices [N] as the model wants its targets; the caller disposes them. */
  targets(labels: Int32Array): Tensor;
  /** One direction for each class, row-major [C, D]: the rows of W. */
  centres(): Float32Array;
}

/** Puts the objective's head on an embedder and compiles the two, with the accuracy as the only metric. */
export function classifier(options: ClassifierOptions): Classifier {
  return options.objective.loss === 'softmax'
    ? softmaxClassifier(options)
    : marginClassifier(options, options.objective);
}

function marginClassifier(
  options: ClassifierOptions,
  { scale, margin }: { scale: number; margin: number },
): Classifier {
  const { embedder, numClasses, optimizer, seed, centres } = options;
  const head = cosFaceHead({ numClasses, scale, margin, seed });
  const whole = withHead(embedder, head);
  if (centres) setWeights(head, tensor2d(centres, [numClasses, centres.length / numClasses]));
  whole.compile({ optimizer, loss: head.loss, metrics: [head.accuracy] });
  return {
    model: whole,
    targets: (labels) => tensor1d(labels, 'int32'),
    centres: () => (head.getWeights()[0] as Tensor).dataSync() as Float32Array,
  };
}

/** No bias: as in the paper's comparison, the logits are W x alone. */
function softmaxClassifier({ embedder, numClasses, optimizer, seed, centres }: ClassifierOptions): Classifier {
  const kernelInitializer = initializers.glorotNormal({ seed });
  const linear = layers.dense({ units: numClasses, useBias: false, kernelInitializer, name: 'logits' });
  const whole = withHead(embedder, linear);
  if (centres)
    setWeights(
      linear,
      tidy(() => transpose(tensor2d(centres, [numClasses, centres.length / numClasses]))),
    );
  const loss = (target: Tensor, logits: Tensor) => losses.softmaxCrossEntropy(target, logits) as Tensor;
  whole.compile({ optimizer, loss, metrics: [metrics.categoricalAccuracy] });
  return {
    model: whole,
    targets: (labels) => tidy(() => cast(oneHot(tensor1d(labels, 'int32'), numClasses), 'float32')),
    centres: () => tidy(() => transpose(linear.getWeights()[0] as Tensor).dataSync() as Float32Array),
  };
}

type Layer = InstanceType<typeof layers.Layer>;

function withHead(embedder: LayersModel, head: Layer): LayersModel {
  return model({ inputs: embedder.inputs, outputs: head.apply(embedder.outputs) as SymbolicTensor });
}

function setWeights(layer: Layer, weights: Tensor): void {
  layer.setWeights([weights]);
  weights.dispose();
}
