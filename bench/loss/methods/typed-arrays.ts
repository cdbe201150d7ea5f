import { backendInfo } from '../../../src/native/backend-info.js';
import { type MarginSoftmaxOptions, type MarginSoftmaxResult, marginSoftmax } from '../../../src/native/index.js';
import { loadAddon } from '../../../src/native/load.js';
import { readOptions } from '../../../src/native/margin-softmax-options.js';
import { relativeError, samplesToCheck, sampleWeightsFor, shareOfTolerance } from '../double-precision.js';
import type { Runnable } from '../method.js';
import type { LossProblem } from '../problem.js';
import { type LossRow, SCALE } from '../rows.js';

type Step = (sampleWeights: Float32Array | undefined) => MarginSoftmaxResult;

/**
 * `marginSoftmax` of `cosface/native`, or the addon below it with results that are used again and again. The instruction
 * set is COSFACE_ISA's, with which the process was started.
 */
export function typedArraysStep(row: LossRow, problem: LossProblem): Runnable {
  const info = backendInfo();
  const workers = row.threads === 'all' ? (info.threads as number) : row.threads;
  const { embeddings, weights, labels, dim, margin } = problem;
  const options: MarginSoftmaxOptions = {
    ...{ embeddings, weights, labels, dim, scale: SCALE, m3: margin, threads: workers },
    ...{ gradients: row.pass === 'gradients', precision: row.precision, gradientTolerance: row.gradientTolerance },
    ...(row.workspaceBytes !== null && { workspaceBytes: row.workspaceBytes }),
  };
  const step: Step =
    row.results === 'reused'
      ? reusingStep(options)
      : (sampleWeights) => marginSoftmax(sampleWeights ? { ...options, sampleWeights } : options);
  const checkedCall = () => {
    const samples = samplesToCheck(problem);
    const result = step(sampleWeightsFor(problem, samples));
    return { samples, outputs: { ...result, loss: mean(result, samples.length) } };
  };
  return {
    isa: info.isa as string,
    threads: workers,
    call: () => mean(step(undefined), labels.length),
    relativeError: () => {
      const { samples, outputs } = checkedCall();
      return relativeError(problem, samples, outputs);
    },
    ...(row.gradientTolerance > 0 && {
      shareOfTolerance: () => {
        const { samples, outputs } = checkedCall();
        return shareOfTolerance({ problem, samples }, outputs, row.gradientTolerance);
      },
    }),
    targetProbabilities: () => step(undefined).loss.map((loss) => Math.exp(-loss)),
  };
}

function reusingStep(options: MarginSoftmaxOptions): Step {
  const { gradients, ...inputs } = readOptions(options);
  const { embeddings, weights, labels } = inputs;
  const results = {
    ...{ loss: new Float32Array(labels.length), targetCosine: new Float32Array(labels.length) },
    prediction: new Int32Array(labels.length),
    // Filled: memory that was never written is not there yet.
    ...(gradients && {
      dEmbeddings: new Float32Array(embeddings.length).fill(1),
      dWeights: new Float32Array(weights.length).fill(1),
    }),
  };
  const addon = loadAddon();
  return (sampleWeights) => {
    addon.marginSoftmax({ ...inputs, sampleWeights, ...results });
    return results;
  };
}

function mean({ loss }: MarginSoftmaxResult, counted: number): number {
  return loss.reduce((sum, value) => sum + value, 0) / counted;
}
