// The timing of the first run: rows of one shape in turns, one call each, so that a change of the clock meets them all.
import { join } from 'node:path';
import { LineProgram } from './programs.mjs';

/** Of the design's table, and up to a million classes. */
const SHAPES = [
  [512, 10_575],
  [512, 100_000],
  [128, 10_575],
  [1024, 93_431],
  [512, 316_228],
  [512, 1_000_000],
  [4096, 100_000],
  [4096, 1_000_000],
].map(([batch, classes]) => ({ batch, classes, dim: 512 }));
const TINY_SHAPES = [
  { batch: 20, classes: 70, dim: 64 },
  { batch: 20, classes: 70, dim: 24 },
];

const OURS = [
  { name: 'bf16', precision: 'bf16', budget: 0, backward: 1 },
  { name: 'bf16, nothing kept', precision: 'bf16', budget: 1, backward: 1 },
  { name: 'bf16, loss alone', precision: 'bf16', budget: 0, backward: 0 },
  { name: 'fp32', precision: 'fp32', budget: 0, backward: 1 },
];
const PEERS = ['products-bf16', 'compile-bf16', 'eager-bf16', 'products', 'compile', 'eager'];

/** Bounds of the relative L2 error, by precision: what docs/cuda.md promises, twice for the CPU's own in fp32. */
const ERROR_BOUNDS = {
  bf16: { loss: 1e-3, dEmbeddings: 5e-3, dWeights: 5e-3 },
  fp32: { loss: 4e-6, dEmbeddings: 2e-5, dWeights: 2e-5 },
};
/** A step of more is not checked: the CPU, which is what it is checked against, would take minutes. */
const MOST_CHECKED_FLOPS = 5e12;

/** Logits beyond which rows are measured one after the other: all alive at once would not fit the device's memory. */
const MOST_TOGETHER = 1e8;

/**
 * Dense half-precision multiply-adds of the tensor cores a clock and multiprocessor, by capability: the data sheets' rates
 * of A100, A10, L40S, H100, B200 and RTX PRO 6000 over multiprocessors and clock. GeForce parts have half of it.
 */
const TENSOR_FMAS = { 80: 1024, 86: 512, 89: 512, 90: 2048, 100: 4096, 120: 512 };

/** The most that the device could do, from its clock; null where its clock or tensor cores are not known. */
export function peakFlops({ capability, multiprocessors, clockKhz }) {
  const fmas = TENSOR_FMAS[capability];
  return fmas && clockKhz ? 2 * fmas * multiprocessors * clockKhz * 1000 : null;
}

/** 6NCD: logits, dx, dw; for the loss alone 2NCD. Recomputed exponentials are no work asked for. */
export function flopsOf({ batch, classes, dim }, backward) {
  return (backward ? 6 : 2) * batch * classes * dim;
}

function medianAndSpread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return { medianMs: at(0.5), spreadMs: at(0.75) - at(0.25) };
}

/** This library's rows of a shape. `start` gives the program; `load` is what it is told first. */
function ourRows({ programs, env }, shape) {
  const { batch, classes, dim } = shape;
  return OURS.map(({ name, precision, budget, backward }) => ({
    ...{ name, precision, flops: flopsOf(shape, backward) },
    start: () => new LineProgram(join(programs, 'step_timer'), [join(programs, 'cosface_cuda.node')], env),
    load: `load ${batch} ${classes} ${dim} ${precision} ${budget} ${backward}`,
  }));
}

function peerRows({ python, peersDevice }, shape) {
  const { batch, classes, dim } = shape;
  if (!python) return [];
  return PEERS.map((peer) => ({
    ...{ name: `PyTorch ${peer}`, peer, flops: flopsOf(shape, 1) },
    start: () => new LineProgram(python, [join(import.meta.dirname, 'peers.py'), peersDevice]),
    load: `load ${peer} ${batch} ${classes} ${dim}`,
  }));
}

/** A row that cannot go on is kept, with its `fault`. */
async function attempt(row, action) {
  if (row.fault) return;
  try {
    await action();
  } catch (error) {
    row.fault = error.message;
  }
}

async function startRow(row) {
  await attempt(row, async () => {
    row.program = row.start();
    Object.assign(row, await row.program.ask(row.load));
  });
}

async function checkRow(row, shape) {
  if (row.peer || flopsOf(shape, true) > MOST_CHECKED_FLOPS) return;
  await attempt(row, async () => {
    row.errors = await row.program.ask('check');
    const beyond = Object.entries(row.errors).filter(([what, error]) => !(error <= ERROR_BOUNDS[row.precision][what]));
    if (beyond.length > 0) throw new Error(`wrong: ${beyond.map(([what, error]) => `${what} ${error}`).join(', ')}`);
  });
}

async function callRow(row) {
  await attempt(row, async () => {
    row.calls.push((await row.program.ask('call')).ms);
  });
}

/** What a report keeps of a row. */
function finished({ program, calls, start, load, ...row }, shape, peak) {
  if (row.fault) return { ...shape, ...row };
  const times = medianAndSpread(calls);
  const flopsPerSecond = row.flops / (times.medianMs / 1000);
  return {
    ...shape,
    ...row,
    ...times,
    turns: calls.length,
    flopsPerSecond,
    shareOfPeak: peak && flopsPerSecond / peak,
  };
}

async function timeTogether({ warmUpCalls, turns, peak }, shape, rows) {
  for (const row of rows) await startRow(row);
  for (const row of rows) await checkRow(row, shape);
  for (let turn = -warmUpCalls; turn < turns; turn++)
    for (const row of rows) {
      if (turn <= 0) row.calls = [];
      await callRow(row);
    }
  for (const row of rows) await row.program?.close();
  return rows.map((row) => finished(row, shape, peak));
}

async function timeShape(setting, shape) {
  const rows = [...ourRows(setting, shape), ...peerRows(setting, shape)];
  const groups = shape.batch * shape.classes > MOST_TOGETHER ? rows.map((row) => [row]) : [rows];
  const timed = [];
  for (const group of groups) timed.push(...(await timeTogether(setting, shape, group)));
  return timed;
}

/**
 * @param setting - `programs`, the folder of what was prepared; `env`, for ours; `python` and `peersDevice`, for PyTorch's
 *   rows, none without; `peak` in flops a second or null; `tiny` for a rehearsal without a GPU.
 * @param onRows - is given the rows of each shape when they are there.
 */
export async function timeShapes(setting, onRows = () => {}) {
  const calls = setting.tiny ? { warmUpCalls: 1, turns: 2 } : { warmUpCalls: 5, turns: 30 };
  const rows = [];
  for (const shape of setting.tiny ? TINY_SHAPES : SHAPES) {
    const ofShape = await timeShape({ ...setting, ...calls }, shape);
    onRows(ofShape);
    rows.push(...ofShape);
  }
  return rows;
}
