import type { Precision } from '../../src/native/addon.js';

/** N, C and D of a call. */
export interface Shape {
  batch: number;
  classes: number;
  dim: number;
}

/**
 * `native` is the typed-array API without TensorFlow.js, `pytorch` a Python process (bench/peers); the others are
 * TensorFlow.js backends.
 */
export const BACKENDS = ['native', 'tensorflow', 'wasm', 'cpu', 'pytorch'] as const;
export type Backend = (typeof BACKENDS)[number];

/** What computes the step with PyTorch: bench/peers/steps.py. */
export const PEER_METHODS = ['eager', 'compile', 'linear-cross-entropy', 'metric-learning'] as const;
export type PeerMethod = (typeof PEER_METHODS)[number];

/**
 * What computes the step in Node.
 *
 * `native`: this package's kernel. `composed`: cosFaceLoss as it runs where there is no kernel, in TensorFlow.js ops
 * with hand-written gradients. `plain`: the loss as users write it today, in ops and autodiff. `matmuls`: nothing but
 * the matrix products of a step, three or, for the loss alone, one: the bound of anything that is built from ops. `topK`:
 * no loss but this package's search, for the class centre nearest to each embedding.
 */
export type NodeMethod = 'native' | 'composed' | 'plain' | 'matmuls' | 'topK';
export type Method = NodeMethod | PeerMethod;

/** `gradients`: loss and both gradients, 6NCD flops. `forward`: the loss alone, or a search, 2NCD flops. */
export type Pass = 'gradients' | 'forward';

/** How far the training is that a batch comes from: problem.ts. */
export type TrainingState = 'early' | 'middle' | 'trained';

/** What the typed-array API is asked for beyond threads and instruction set. */
export interface KernelOptions {
  precision: Precision;
  /** Bytes; null is the default. */
  workspaceBytes: number | null;
  gradientTolerance: number;
  /** `reused`: the addon writes into arrays that were there before the call. `new`: each call allocates its results. */
  results: 'new' | 'reused';
}

/** One row to measure. */
export interface LossRow extends Shape, KernelOptions {
  name: string;
  backend: Backend;
  method: Method;
  pass: Pass;
  /** Workers; `all` is one for each processor, or COSFACE_THREADS. The typed-array API alone can choose. */
  threads: 1 | 'all';
  /** Instruction set; `auto` is the best. The typed-array API alone can choose. */
  isa: string;
  state: TrainingState;
  /** m; 0 for a peer that has none. */
  margin: number;
  /** `tuned`: freed memory stays with the process (row-environment.ts). */
  malloc: 'default' | 'tuned';
  /** A shape so small that the cost of calling is what is measured. */
  overhead: boolean;
}

/** The paper's and this package's defaults. */
export const SCALE = 64;
export const MARGIN = 0.35;

/** 96 multiply-adds a product: nothing beside the cost of a call. */
export const TINY: Shape = { batch: 4, classes: 3, dim: 8 };

/** A row, and what it is called: whatever of it is not as usual. */
export function rowOf(shape: Shape, given: Partial<LossRow> = {}): LossRow {
  const row: LossRow = {
    ...{ name: '', backend: 'native', method: 'native', pass: 'gradients', threads: 'all', isa: 'auto' },
    ...{ precision: 'fp32', workspaceBytes: null, gradientTolerance: 0, results: 'new' },
    ...{ state: 'middle', margin: MARGIN, malloc: 'default', overhead: false },
    ...given,
    ...shape,
  };
  const what = row.method === 'topK' ? 'topK, k = 1' : `${row.method} ${row.pass}`;
  return { ...row, name: [what, ...particulars(row)].join(', ') };
}

function particulars(row: LossRow): string[] {
  return [
    ...(row.precision === 'fp32' ? [] : [row.precision]),
    ...(row.workspaceBytes === null ? [] : [`budget ${row.workspaceBytes}`]),
    ...(row.results === 'reused' ? ['in place'] : []),
    ...(row.state === 'middle' ? [] : [`${row.state} state`]),
    ...(row.gradientTolerance === 0 ? [] : [`tolerance ${row.gradientTolerance}`]),
    ...(row.margin === MARGIN ? [] : [`margin ${row.margin}`]),
    ...(row.malloc === 'tuned' ? ['tuned malloc'] : []),
  ];
}

export function isPeerMethod(method: Method): method is PeerMethod {
  return (PEER_METHODS as readonly string[]).includes(method);
}

/** Whether this package's binary computes it. */
export function isOurs(method: Method): boolean {
  return method === 'native' || method === 'topK';
}

/** Useful flops of one call: recomputation does not count as work. */
export function flopsOf({ batch, classes, dim, pass }: Shape & { pass: Pass }): number {
  return (pass === 'gradients' ? 6 : 2) * batch * classes * dim;
}

/** Bytes of what a call gives: what no implementation can do without. */
export function resultBytes({ batch, classes, dim, pass }: Shape & { pass: Pass }): number {
  return 4 * (3 * batch + (pass === 'gradients' ? (batch + classes) * dim : 0));
}
