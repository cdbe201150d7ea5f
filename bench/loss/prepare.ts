import { backendInfo } from '../../src/native/backend-info.js';
import type { Runnable } from './method.js';
import { cosFaceLossStep } from './methods/cosface-loss.js';
import type { DifferentiatedLoss } from './methods/differentiated-loss.js';
import { matrixProductsStep } from './methods/matrix-products.js';
import { plainOpsStep } from './methods/plain-ops.js';
import { useBackend } from './methods/tfjs-backend.js';
import { typedArraysStep } from './methods/typed-arrays.js';
import type { LossProblem } from './problem.js';
import type { LossRow, Method } from './rows.js';

const STEPS: Record<Method, (problem: LossProblem) => DifferentiatedLoss> = {
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
  if (row.backend === 'native') return typedArraysStep(row, problem);
  const arithmetic = await useBackend(row.backend);
  return { ...(row.method === 'native' ? kernelArithmetic() : arithmetic), ...STEPS[row.method](problem) };
}

function kernelArithmetic(): Pick<Runnable, 'isa' | 'threads'> {
  const { isa, threads } = backendInfo();
  return { isa: isa as string, threads: threads as number };
}
