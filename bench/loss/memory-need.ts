import type { LossRow, Method } from './rows.js';

/** What a row's process takes, about, in bytes. */
export interface MemoryNeed {
  /** Between its calls. */
  idle: number;
  /** More during a call. */
  call: number;
}

const GIB = 2 ** 30;

/**
 * N x C matrices of float32 that live at once during a call: upper bounds of what runs of this benchmark have shown.
 * `new` arrays of the kernel's results come on top, for every method.
 */
const LOGIT_MATRICES: Record<Method, number> = {
  ...{ native: 0, matmuls: 2, composed: 22, plain: 33 },
  ...{ eager: 6, compile: 4, 'linear-cross-entropy': 6, 'metric-learning': 12 },
};

/** The runtime: Node with libtensorflow, Node and Python with PyTorch. */
const RUNTIME: Record<LossRow['backend'], number> = {
  ...{ native: 0.1 * GIB, wasm: 0.2 * GIB, cpu: 0.2 * GIB, tensorflow: 0.3 * GIB, pytorch: 0.7 * GIB },
};

export function memoryNeed({ batch, classes, dim, backend, method, malloc, pass }: LossRow): MemoryNeed {
  const inputs = 4 * (batch + classes) * dim;
  const results = pass === 'gradients' ? inputs : 0;
  // The check of a row reads its problem again, and its results; the kernel's default budget is 64 MiB.
  const call = 4 * batch * classes * LOGIT_MATRICES[method] + 2 * results + inputs + GIB / 16;
  // Tuned, freed memory stays.
  return { idle: RUNTIME[backend] + inputs + (malloc === 'tuned' ? call : 0), call };
}
