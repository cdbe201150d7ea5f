import { backendInfo } from '../../src/native/backend-info.js';
import type { Runnable } from './method.js';
import { cosFaceLossStep } from './methods/cosface-loss.js';
import type { DifferentiatedLoss } from './methods/differentiated-loss.js';
import { matrixProductsStep } from './methods/matrix-products.js';
import { nearestRowsStep } from './methods/nearest-rows.js';
import { plainOpsStep } from './methods/plain-ops.js';
import { useBackend } from './methods/tfjs-backend.js';
import { typedArraysStep } from './methods/typed-arrays.js';
import type { LossProblem } from './problem.js';
import type { LossRow, NodeMethod } from './rows.js';

const STEPS: Record<Exclude<NodeMethod, 'topK'>, (problem: LossProblem, row: LossRow) => DifferentiatedLoss> = {
  native: cosFaceLossStep,
  composed: cosFaceLossStep,
  plain: plainOpsStep,
  matmuls: matrixProductsStep,
};

/**
 * Readies a row's method for a problem, in a process with `rowEnvironment`.
 *
 * @throws {UnavailableError} A backend's package or the binary is not there.
 */
export async function prepare(row: LossRow, problem: LossProblem): Promise<Runnable> {
  if (row.method === 'topK') return nearestRowsStep(row, problem);
  if (row.backend === 'native') return typedArraysStep(row, problem);
  if (row.backend === 'pytorch') throw new Error('a row of pytorch runs in a process of Python: peer-session.ts.');
  const arithmetic = await useBackend(row.backend);
  const method = row.method as keyof typeof STEPS;
  return { ...(method === 'native' ? kernelArithmetic() : arithmetic), ...STEPS[method](problem, row) };
}

function kernelArithmetic(): Pick<Runnable, 'isa' | 'threads'> {
  const { isa, threads } = backendInfo();
  return { isa: isa as string, threads: threads as number };
}
