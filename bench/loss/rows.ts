/** N, C and D of a call. */
export interface Shape {
  batch: number;
  classes: number;
  dim: number;
}

/** `native` is the typed-array API without TensorFlow.js; the others are TensorFlow.js backends. */
export const BACKENDS = ['native', 'tensorflow', 'wasm', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];

/**
 * What computes the step.
 *
 * `native`: this package's kernel. `composed`: cosFaceLoss as it runs where there is no kernel, in TensorFlow.js ops
 * with hand-written gradients. `plain`: the loss as users write it today, in ops and autodiff. `matmuls`: nothing but
 * the three matrix products of a step, the bound of anything that is built from ops.
 */
export type Method = 'native' | 'composed' | 'plain' | 'matmuls';

/** `gradients`: loss and both gradients, 6NCD flops. `forward`: the loss alone, 2NCD flops. */
export type Pass = 'gradients' | 'forward';

/** One row to measure. */
export interface LossRow extends Shape {
  name: string;
  backend: Backend;
  method: Method;
  pass: Pass;
  /** Workers; `all` is one for each processor, or COSFACE_THREADS. The typed-array API alone can choose. */
  threads: 1 | 'all';
  /** Instruction set; `auto` is the best. The typed-array API alone can choose. */
  isa: string;
  /** A shape so small that the cost of calling is what is measured. */
  overhead: boolean;
}

/** 96 multiply-adds a product: nothing beside the cost of a call. */
export const TINY: Shape = { batch: 4, classes: 3, dim: 8 };

/** The kernel as it runs here by default. */
export interface KernelChoice {
  /** The instruction set of `auto`; null without a binary. */
  isa: string | null;
  /** Instruction sets of this processor, from least to best. */
  isas: readonly string[];
  /** Workers of a large call; null without a binary. */
  threads: number | null;
}

/** The rows of a run, in the order of the report: those of `shape`, backend by backend, then the cost of calling. */
export function lossRows(shape: Shape, backends: readonly Backend[], kernel: KernelChoice): LossRow[] {
  const large = backends.map((backend) =>
    backend === 'native' ? typedArrayRows(shape, kernel) : opsRows(backend, shape),
  );
  const calls = backends.flatMap((backend) =>
    backend === 'native' ? [rowOf(TINY, {})] : opsRows(backend, TINY).filter(({ method }) => method !== 'matmuls'),
  );
  return [...large.flat(), ...calls.map((row) => ({ ...row, overhead: true }))];
}

function typedArrayRows(shape: Shape, { isa, isas, threads }: KernelChoice): LossRow[] {
  const counts: Array<'all' | 1> = threads === 1 ? ['all'] : ['all', 1];
  const others = isas.filter((name) => name !== isa).toReversed();
  return [
    ...counts.map((count) => rowOf(shape, { threads: count })),
    ...others.flatMap((name) => counts.map((count) => rowOf(shape, { threads: count, isa: name }))),
    ...counts.map((count) => rowOf(shape, { threads: count, pass: 'forward' })),
  ];
}

function opsRows(backend: Backend, shape: Shape): LossRow[] {
  const methods: Method[] = ['native', 'matmuls', 'composed', 'plain'];
  return methods.map((method) => rowOf(shape, { backend, method }));
}

function rowOf(shape: Shape, given: Partial<LossRow>): LossRow {
  const { method = 'native', pass = 'gradients' } = given;
  const name = `${method} ${pass}`;
  return {
    ...{ name, backend: 'native', method, pass, threads: 'all', isa: 'auto', overhead: false },
    ...given,
    ...shape,
  };
}

/** Useful flops of one call: recomputation does not count as work. */
export function flopsOf({ batch, classes, dim, pass }: LossRow): number {
  return (pass === 'gradients' ? 6 : 2) * batch * classes * dim;
}
