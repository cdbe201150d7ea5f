import type { LossReportRow } from './report.js';
import { isOurs, type Method } from './rows.js';

/** A goal of the project, and what a run has measured for it. */
export interface Goal {
  what: string;
  /** As in '>= 0.87'. */
  goal: string;
  measured: number;
  met: boolean;
  /** The rows that the figure comes from, in words. */
  from: string;
}

/** Which row a figure is taken from; every key that is given must agree. */
type Wanted = Partial<
  Pick<
    LossReportRow,
    | 'backend'
    | 'method'
    | 'pass'
    | 'batch'
    | 'classes'
    | 'precision'
    | 'workspaceBytes'
    | 'gradientTolerance'
    | 'results'
    | 'state'
    | 'malloc'
    | 'threads'
  >
>;

/** As the kernel runs by default; a row that differs is wanted by saying so. */
const USUAL: Wanted = {
  ...{ backend: 'native', method: 'native', pass: 'gradients', precision: 'fp32', workspaceBytes: null },
  ...{ gradientTolerance: 0, results: 'new', state: 'middle', malloc: 'default' },
};

const MIB = 2 ** 20;

/** The goals that these rows say something about. */
export function goalsOf(rows: readonly LossReportRow[]): Goal[] {
  const finder = new RowFinder(rows);
  return [
    ...sharesOfPeak(finder),
    ...againstOps(finder),
    ...againstPeers(finder),
    ...cheaperSteps(finder),
    ...acrossClasses(finder),
    ...searching(finder),
  ];
}

class RowFinder {
  private readonly rows: readonly LossReportRow[];
  private readonly mostThreads: number;
  private readonly bestIsa: string | undefined;

  constructor(rows: readonly LossReportRow[]) {
    this.rows = rows;
    const native = rows.filter(({ backend }) => backend === 'native');
    this.mostThreads = Math.max(0, ...native.map(({ threads }) => threads));
    // A suite begins with the rows of the best instruction set.
    this.bestIsa = native[0]?.isa;
  }

  find(wanted: Wanted): LossReportRow | undefined {
    const all: Wanted = { ...USUAL, ...wanted };
    return this.rows.find(
      (row) =>
        Object.entries(all).every(([key, value]) => row[key as keyof Wanted] === value) &&
        (!isOurs(all.method as Method) ||
          (row.threads === (wanted.threads ?? this.mostThreads) && row.isa === this.bestIsa)),
    );
  }
}

/** How many times as long `slow` takes as `fast`: a goal of at least `least`. */
function timesFaster(what: string, least: number, fast: LossReportRow | undefined, slow: LossReportRow | undefined) {
  if (!fast || !slow) return [];
  return [atLeast(what, least, slow.medianMs / fast.medianMs, `${spell(slow)} by ${spell(fast)}`)];
}

function atLeast(what: string, least: number, measured: number, from: string): Goal {
  return { what, goal: `>= ${least}`, measured, met: measured >= least, from };
}

function atMost(what: string, most: number, measured: number, from: string): Goal {
  return { what, goal: `<= ${most}`, measured, met: measured <= most, from };
}

function spell({ backend, name }: LossReportRow): string {
  return `${backend} ${name}`;
}

function sizes({ batch, classes }: { batch: number; classes: number }): string {
  return `${batch} x ${classes.toLocaleString('en-US')}`;
}

function sharesOfPeak(rows: RowFinder): Goal[] {
  const wanted = [
    { batch: 512, classes: 10575, least: 0.87 },
    { batch: 512, classes: 100_000, least: 0.87 },
    { batch: 1024, classes: 93431, least: 0.87 },
    { batch: 128, classes: 10575, least: 0.83 },
  ];
  return wanted.flatMap(({ least, ...shape }) =>
    (['reused', 'new'] as const).flatMap((results) => {
      const row = rows.find({ ...shape, results });
      if (!row || row.shareOfPeak === null) return [];
      const how = results === 'reused' ? 'results in place' : 'results allocated in the call';
      const memory = (row.beyondBytes as number) / MIB;
      return [
        atLeast(`share of the FMA peak, ${sizes(shape)}, ${how}`, least, row.shareOfPeak, spell(row)),
        ...(results === 'reused'
          ? [atMost(`MiB beyond inputs and outputs, ${sizes(shape)}`, 64, memory, spell(row))]
          : []),
      ];
    }),
  );
}

function againstOps(rows: RowFinder): Goal[] {
  const shapes = [
    { batch: 512, classes: 10575, least: 3.5 },
    { batch: 512, classes: 100_000, least: 2.8 },
    { batch: 128, classes: 10575, least: 3.5 },
    { batch: 1024, classes: 93431 },
  ];
  return shapes.flatMap(({ least, ...shape }) => {
    const tensorflow = { ...shape, backend: 'tensorflow' } as const;
    const kernel = rows.find(tensorflow);
    const products = rows.find({ ...tensorflow, method: 'matmuls' });
    const oneProduct = rows.find({ ...tensorflow, method: 'matmuls', pass: 'forward' });
    const forward = rows.find({ ...shape, pass: 'forward' });
    return [
      ...timesAsLong(`time of three bare oneDNN products, ${sizes(shape)}`, kernel, products),
      ...(least === undefined
        ? []
        : (['composed', 'plain'] as const).flatMap((method) =>
            timesFaster(
              `times as fast as tfjs-node's ops (${method}), ${sizes(shape)}`,
              least,
              kernel,
              rows.find({ ...tensorflow, method }),
            ),
          )),
      ...timesAsLong(`loss alone by the time of one bare oneDNN product, ${sizes(shape)}`, forward, oneProduct),
    ];
  });
}

function timesAsLong(what: string, ours: LossReportRow | undefined, theirs: LossReportRow | undefined): Goal[] {
  if (!ours || !theirs) return [];
  return [atMost(what, 1, ours.medianMs / theirs.medianMs, `${spell(ours)} by ${spell(theirs)}`)];
}

function againstPeers(rows: RowFinder): Goal[] {
  const shapes = [
    { batch: 512, classes: 10575 },
    { batch: 512, classes: 100_000 },
  ];
  const goals = { tuned: { best: 1.35, learning: 1.8 }, default: { best: 1.4, learning: 4 } };
  return shapes.flatMap((shape) =>
    (['tuned', 'default'] as const).flatMap((malloc) => {
      const how = `${sizes(shape)}, ${malloc === 'tuned' ? 'tuned malloc' : 'as installed'}`;
      const of = (method: LossReportRow['method']) => rows.find({ ...shape, backend: 'pytorch', method, malloc });
      const kernel = rows.find(shape);
      const best = faster(of('eager'), of('compile'));
      return [
        ...timesFaster(`times as fast as PyTorch eager or compile, ${how}`, goals[malloc].best, kernel, best),
        ...lessMemory(`memory beyond inputs and outputs by PyTorch's, ${how}`, kernel, best),
        ...timesFaster(
          `times as fast as pytorch-metric-learning, ${how}`,
          goals[malloc].learning,
          kernel,
          of('metric-learning'),
        ),
      ];
    }),
  );
}

function faster(a: LossReportRow | undefined, b: LossReportRow | undefined): LossReportRow | undefined {
  if (!a || !b) return a ?? b;
  return a.medianMs <= b.medianMs ? a : b;
}

function lessMemory(what: string, ours: LossReportRow | undefined, theirs: LossReportRow | undefined): Goal[] {
  if (!ours || !theirs?.beyondBytes) return [];
  const share = (ours.beyondBytes as number) / theirs.beyondBytes;
  return [atMost(what, 0.125, share, `${spell(ours)} by ${spell(theirs)}`)];
}

function cheaperSteps(rows: RowFinder): Goal[] {
  const shapes = [
    { batch: 512, classes: 10575 },
    { batch: 512, classes: 100_000 },
  ];
  return shapes.flatMap((shape) => {
    const inPlace = { ...shape, results: 'reused' } as const;
    const at = sizes(shape);
    const trained = { ...inPlace, state: 'trained' } as const;
    return [
      ...timesFaster(
        `bf16 operands, times as fast as fp32, ${at}`,
        1.8,
        rows.find({ ...inPlace, precision: 'bf16' }),
        rows.find(inPlace),
      ),
      ...timesFaster(
        `bf16 gradient products, times as fast as fp32, ${at}`,
        1.4,
        rows.find({ ...inPlace, precision: 'bf16-gradients' }),
        rows.find(inPlace),
      ),
      ...timesFaster(
        `filter at 1e-3 in the trained state, times as fast as without, ${at}`,
        1.6,
        rows.find({ ...trained, gradientTolerance: 1e-3 }),
        rows.find(trained),
      ),
      ...timesFaster(
        `2 threads, times as fast as 1, ${at}`,
        1.85,
        rows.find(shape),
        rows.find({ ...shape, threads: 1 }),
      ),
    ];
  });
}

function acrossClasses(rows: RowFinder): Goal[] {
  const decades = [10_000, 31_623, 100_000, 316_228, 1_000_000];
  const flat = [1, undefined].flatMap((threads) => {
    const found = decades.flatMap(
      (classes) =>
        rows.find({ batch: 512, classes, workspaceBytes: 0, results: 'reused', ...(threads && { threads }) }) ?? [],
    );
    if (found.length < decades.length) return [];
    const costs = found.map(({ medianMs, classes }) => medianMs / classes);
    const how = `${found[0]?.threads} threads`;
    return [
      atMost(
        `cost a class at budget 0 from 10k to 1M classes, dearest by cheapest, ${how}`,
        1.15,
        Math.max(...costs) / Math.min(...costs),
        spell(found[0] as LossReportRow),
      ),
    ];
  });
  const million = rows.find({ batch: 512, classes: 1_000_000 });
  return [
    ...flat,
    ...(million
      ? [
          atMost(
            'MiB beyond inputs and outputs, 512 x 1,000,000',
            64,
            (million.beyondBytes as number) / MIB,
            spell(million),
          ),
        ]
      : []),
  ];
}

function searching(rows: RowFinder): Goal[] {
  const queries = { batch: 3530, pass: 'forward' } as const;
  const search = rows.find({ ...queries, classes: 1_000_000, method: 'topK' });
  const product = rows.find({ ...queries, classes: 65_536, backend: 'tensorflow', method: 'matmuls' });
  if (!search || !product) return [];
  const what = "top-1 of 3,530 queries in 1,000,000, share of one bare oneDNN product's rate";
  return [atLeast(what, 0.8, search.gflops / product.gflops, `${spell(search)} by ${spell(product)}`)];
}
