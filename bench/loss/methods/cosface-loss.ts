import { cosFaceLoss } from '../../../src/loss/cosface-loss.js';
import type { LossProblem } from '../problem.js';
import { SCALE } from '../rows.js';
import { type DifferentiatedLoss, differentiatedLoss } from './differentiated-loss.js';

/**
 * The public `cosFaceLoss` on the current backend. COSFACE_BACKEND, with which the process was started, says whether the
 * native kernel computes it (`native`) or TensorFlow.js ops do (`js`).
 */
export function cosFaceLossStep(problem: LossProblem): DifferentiatedLoss {
  const { margin } = problem;
  return differentiatedLoss(
    (embeddings, weights, labels, sampleWeights) =>
      cosFaceLoss(embeddings, weights, labels, { scale: SCALE, margin, sampleWeights }),
    problem,
  );
}
