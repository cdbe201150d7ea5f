import { backendInfo } from '../../../src/native/backend-info.js';
import { type MarginSoftmaxOptions, type MarginSoftmaxResult, marginSoftmax } from '../../../src/native/index.js';
import { relativeError, samplesToCheck, sampleWeightsFor } from '../double-precision.js';
import type { Runnable } from '../method.js';
import { type LossProblem, MARGIN, SCALE } from '../problem.js';
import type { LossRow } from '../rows.js';

/**
 * `marginSoftmax` of `cosface/native`. The instruction set is COSFACE_ISA's, with which the process was started.
 */
export function typedArraysStep({ threads, pass }: LossRow, problem: LossProblem): Runnable {
  const info = backendInfo();
  const workers = threads === 'all' ? (info.threads as number) : threads;
  const { embeddings, weights, labels, dim } = problem;
  const options: MarginSoftmaxOptions = {
    ...{ embeddings, weights, labels, dim, scale: SCALE, m3: MARGIN },
    ...{ gradients: pass === 'gradients', threads: workers },
  };
  return {
    isa: info.isa as string,
    threads: workers,
    call: () => mean(marginSoftmax(options), problem.batch),
    relativeError: () => {
      const samples = samplesToCheck(problem);
      const result = marginSoftmax({ ...options, sampleWeights: sampleWeightsFor(problem, samples) });
      return relativeError(problem, samples, { ...result, loss: mean(result, samples.length) });
    },
  };
}

function mean({ loss }: MarginSoftmaxResult, counted: number): number {
  return loss.reduce((sum, value) => sum + value, 0) / counted;
}
