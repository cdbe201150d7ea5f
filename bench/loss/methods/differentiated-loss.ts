import {
  dispose,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tensor2d,
  valueAndGrads,
} from '@tensorflow/tfjs-core';
import { relativeError, samplesToCheck, sampleWeightsFor } from '../double-precision.js';
import type { Runnable } from '../method.js';
import type { LossProblem } from '../problem.js';

/** The mean loss over the samples whose weight is not 0; without weights, over all. */
export type TensorLoss = (
  embeddings: Tensor2D,
  weights: Tensor2D,
  labels: Tensor1D,
  sampleWeights: Tensor1D | undefined,
) => Tensor;

export type DifferentiatedLoss = Pick<Runnable, 'call' | 'relativeError'>;

/**
 * A step with a loss in TensorFlow.js on the current backend: value and both gradients by `tf.valueAndGrads`. The value
 * is read, as a training logs it; the gradients stay tensors, as an optimizer takes them.
 */
export function differentiatedLoss(
  loss: TensorLoss,
  { batch, classes, dim, ...arrays }: LossProblem,
): DifferentiatedLoss {
  const inputs = [tensor2d(arrays.embeddings, [batch, dim]), tensor2d(arrays.weights, [classes, dim])];
  const labels = tensor1d(arrays.labels, 'int32');

  function step(sampleWeights?: Tensor1D): { value: Tensor; grads: Tensor[] } {
    return valueAndGrads((x, w) => loss(x as Tensor2D, w as Tensor2D, labels, sampleWeights) as Scalar)(inputs);
  }

  return {
    call: () => {
      const { value, grads } = step();
      const [mean] = value.dataSync();
      dispose([value, ...grads]);
      return mean as number;
    },
    relativeError: (read) => {
      const problem = read();
      const samples = samplesToCheck(problem);
      const sampleWeights = sampleWeightsFor(problem, samples);
      const { value, grads } = step(sampleWeights && tensor1d(sampleWeights));
      const [mean, dEmbeddings, dWeights] = [value, ...grads].map((tensor) => tensor.dataSync() as Float32Array);
      dispose([value, ...grads]);
      return relativeError(problem, samples, {
        loss: (mean as Float32Array)[0] as number,
        dEmbeddings: dEmbeddings as Float32Array,
        dWeights: dWeights as Float32Array,
      });
    },
  };
}
