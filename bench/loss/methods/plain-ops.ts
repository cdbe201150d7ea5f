import {
  div,
  losses,
  matMul,
  mul,
  oneHot,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from '@tensorflow/tfjs-core';
// For the gradients of tfjs-core's ops: tfjs-core's own entry for Node registers none.
import '@tensorflow/tfjs-layers';
import type { LossProblem } from '../problem.js';
import { MARGIN, SCALE } from '../rows.js';
import { type DifferentiatedLoss, differentiatedLoss } from './differentiated-loss.js';

/** CosFace as it is written in TensorFlow.js without this package, its gradients by autodiff through every op. */
export function plainOpsStep(problem: LossProblem): DifferentiatedLoss {
  return differentiatedLoss(plainCosFace, problem);
}

function plainCosFace(embeddings: Tensor2D, weights: Tensor2D, labels: Tensor1D, sampleWeights?: Tensor1D): Tensor {
  const cosines = matMul(l2Normalize(embeddings), l2Normalize(weights), false, true);
  const target = oneHot(labels, weights.shape[0]);
  const logits = mul(SCALE, sub(cosines, mul(MARGIN, target)));
  return losses.softmaxCrossEntropy(target, logits, sampleWeights);
}

function l2Normalize(rows: Tensor2D): Tensor2D {
  return div(rows, sqrt(sum(square(rows), 1, true)));
}
