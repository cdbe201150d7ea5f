import { type LossRow, type Method, resultBytes } from './rows.js';

/** What a row's process takes, about, in bytes. */
export interface MemoryNeed {
  /** Between its calls. */
  idle: number;
  /** More during a call. */
  call: number;
}

const GIB = 2 ** 30;

/** N x C matrices of float32 that live at once during a call: upper bounds of what runs of this benchmark have shown. */
const LOGIT_MATRICES: Record<Method, number> = {
  ...{ native: 0, topK: 0, matmuls: 2, composed: 22, plain: 33 },
  ...{ eager: 6, compile: 4, 'linear-cross-entropy': 6, 'metric-learning': 12 },
};

/** The runtime: Node with libtensorflow, Node and Python with PyTorch. */
const RUNTIME: Record<LossRow['backend'], number> = {
  ...{ native: 0.1 * GIB, wasm: 0.2 * GIB, cpu: 0.2 * GIB, tensorflow: 0.3 * GIB, pytorch: 0.7 * GIB },
};

/** The kernel's default budget. */
const WORKSPACE = GIB / 16;

export function memoryNeed(row: LossRow): MemoryNeed {
  const { batch, classes, dim, backend, method, malloc } = row;
  const inputs = 4 * (batch + classes) * dim;
  const results = resultBytes(row);
  // All but the typed-array API read inputs and results once more for the check.
  const check = backend === 'native' ? 0 : inputs + results;
  const step = 4 * batch * classes * LOGIT_MATRICES[method] + results + WORKSPACE;
  const kept = row.results === 'reused' ? results : 0;
  // Tuned, freed memory stays.
  return { idle: RUNTIME[backend] + inputs + kept + (malloc === 'tuned' ? step : 0), call: step + check - kept };
}
