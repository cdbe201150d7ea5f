import type { Precision } from '../../src/native/addon.js';
import { type Backend, type LossRow, PEER_METHODS, type PeerMethod, rowOf, type Shape, TINY } from './rows.js';

/** The kernel as it runs here by default. */
export interface KernelChoice {
  /** The instruction set of `auto`; null without a binary. */
  isa: string | null;
  /** Instruction sets of this processor, from least to best. */
  isas: readonly string[];
  /** Workers of a large call; null without a binary. */
  threads: number | null;
}

/** Rows that are alive together and take turns. */
export type Contest = LossRow[];

export const SUITES = ['shapes', 'scaling', 'search', 'matrix'] as const;
export type Suite = (typeof SUITES)[number];

const DIM = 512;
const BATCHES = [32, 128, 512, 1024, 4096];
/** CASIA-WebFace, MS1MV2 (about), Glint360K, and a million. */
const CLASSES = [10575, 93431, 360232, 1_000_000];
/** Half a decade apart. */
const SCALING_CLASSES = [10_000, 31_623, 100_000, 316_228, 1_000_000];
/** The filter's tolerance in the rows that show it. */
const TOLERANCE = 1e-3;

/** The contests of a suite, in the order of the report, without the rows of backends that were not asked for. */
export function suiteContests(suite: Suite, backends: readonly Backend[], kernel: KernelChoice): Contest[] {
  const contests: Record<Suite, () => Contest[]> = {
    shapes: () => shapeContests(kernel),
    scaling: () => [scalingContest(kernel)],
    search: () => [searchContest()],
    matrix: () => matrixContests(),
  };
  return contests[suite]()
    .map((rows) => rows.filter(({ backend }) => backends.includes(backend)))
    .filter((rows) => rows.length > 0);
}

/** Everything there is at one shape, backend by backend, then the cost of calling. */
export function shapeContest(shape: Shape, backends: readonly Backend[], kernel: KernelChoice): Contest {
  const rows = [
    ...kernelVariants(shape, kernel),
    ...instructionSets(shape, kernel),
    ...opsBackends(shape, ['tensorflow', 'wasm', 'cpu']),
    ...peers(shape),
    ...callingCosts(),
  ];
  return rows.filter(({ backend }) => backends.includes(backend));
}

/** The shapes that the project's goals are set for; the large ones with the rows that a goal needs. */
function shapeContests(kernel: KernelChoice): Contest[] {
  const shape = (batch: number, classes: number): Shape => ({ batch, classes, dim: DIM });
  const small = (s: Shape) => [rowOf(s), rowOf(s, { results: 'reused' }), ...opsBackends(s, ['tensorflow'])];
  return [
    shapeContest(shape(512, 10575), ['native', 'tensorflow', 'wasm', 'cpu', 'pytorch'], kernel),
    [
      ...kernelVariants(shape(512, 100_000), kernel),
      ...opsBackends(shape(512, 100_000), ['tensorflow']),
      ...peers(shape(512, 100_000), ['eager', 'compile', 'metric-learning']),
    ],
    small(shape(128, 10575)),
    small(shape(1024, 93431)),
  ];
}

/**
 * The same work a class from ten thousand classes to a million, with nothing kept and results in place, since an
 * allocator treats small results otherwise than large ones; and what the default needs there.
 */
function scalingContest(kernel: KernelChoice): Contest {
  const shapes = SCALING_CLASSES.map((classes) => ({ batch: 512, classes, dim: DIM }));
  const recomputed = shapes.flatMap((shape) =>
    threadCounts(kernel).map((threads) => rowOf(shape, { threads, workspaceBytes: 0, results: 'reused' })),
  );
  return [...recomputed, ...shapes.map((shape) => rowOf(shape))];
}

/** MegaFace's probes against its distractors; and one bare product, of a part: all of it would write 14 GB. */
function searchContest(): Contest {
  const queries = { batch: 3530, dim: DIM, pass: 'forward' } as const;
  return [
    rowOf({ ...queries, classes: 1_000_000 }, { ...queries, method: 'topK' }),
    rowOf({ ...queries, classes: 65_536 }, { ...queries, method: 'topK' }),
    rowOf({ ...queries, classes: 65_536 }, { ...queries, backend: 'tensorflow', method: 'matmuls' }),
  ];
}

/** Batch by classes: the kernel, the bare products, the ops, and PyTorch at its best. */
function matrixContests(): Contest[] {
  return BATCHES.flatMap((batch) =>
    CLASSES.map((classes) => {
      const shape = { batch, classes, dim: DIM };
      return [
        rowOf(shape),
        rowOf(shape, { pass: 'forward' }),
        rowOf(shape, { workspaceBytes: 0, results: 'reused' }),
        rowOf(shape, { backend: 'tensorflow', method: 'matmuls' }),
        rowOf(shape, { backend: 'tensorflow', method: 'composed' }),
        rowOf(shape, { backend: 'tensorflow', method: 'plain' }),
        ...(['eager', 'compile', 'metric-learning'] as const).map((method) => peer(shape, method, 'tuned')),
      ];
    }),
  );
}

function threadCounts({ threads }: KernelChoice): Array<'all' | 1> {
  return threads === 1 ? ['all'] : ['all', 1];
}

/** Every instruction set but the best, whose rows are among the variants. */
function instructionSets(shape: Shape, kernel: KernelChoice): LossRow[] {
  const others = kernel.isas.filter((name) => name !== kernel.isa).toReversed();
  return others.flatMap((isa) => threadCounts(kernel).map((threads) => rowOf(shape, { threads, isa })));
}

function kernelVariants(shape: Shape, kernel: KernelChoice): LossRow[] {
  const precisions: Precision[] = ['bf16-gradients', 'bf16'];
  return [
    ...threadCounts(kernel).map((threads) => rowOf(shape, { threads })),
    rowOf(shape, { results: 'reused' }),
    ...precisions.map((precision) => rowOf(shape, { precision, results: 'reused' })),
    rowOf(shape, { workspaceBytes: 0, results: 'reused' }),
    rowOf(shape, { state: 'trained', results: 'reused' }),
    rowOf(shape, { state: 'trained', results: 'reused', gradientTolerance: TOLERANCE }),
    ...threadCounts(kernel).map((threads) => rowOf(shape, { threads, pass: 'forward' })),
  ];
}

function opsBackends(shape: Shape, backends: readonly Backend[]): LossRow[] {
  return backends.flatMap((backend) => [
    rowOf(shape, { backend }),
    rowOf(shape, { backend, method: 'matmuls' }),
    rowOf(shape, { backend, method: 'matmuls', pass: 'forward' }),
    rowOf(shape, { backend, method: 'composed' }),
    rowOf(shape, { backend, method: 'plain' }),
  ]);
}

function peers(shape: Shape, methods: readonly PeerMethod[] = PEER_METHODS): LossRow[] {
  return methods.flatMap((method) => [peer(shape, method, 'default'), peer(shape, method, 'tuned')]);
}

function peer(shape: Shape, method: PeerMethod, malloc: LossRow['malloc']): LossRow {
  // It has no margin, and without one nothing of a later state is left in float32: bench/peers/steps.py.
  const given: Partial<LossRow> = method === 'linear-cross-entropy' ? { margin: 0, state: 'early' } : {};
  return rowOf(shape, { backend: 'pytorch', method, malloc, ...given });
}

function callingCosts(): LossRow[] {
  const ops = opsBackends(TINY, ['tensorflow', 'wasm', 'cpu']).filter(({ method }) => method !== 'matmuls');
  return [rowOf(TINY), ...ops].map((row) => ({ ...row, overhead: true }));
}
