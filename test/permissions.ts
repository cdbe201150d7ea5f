import { expect } from 'vitest';
import { type Outcome, type ProblemOptions, randomNumbers, randomProblem, relativeError } from './problem.js';
import { type ReferenceProblem, reference } from './reference.js';

/** Computes loss and gradients of a problem, with its `precision` and `gradientTolerance`. */
export type Run = (problem: ReferenceProblem) => Outcome;

/** Half precision's unit roundoff, and what two roundings do to a product (docs/math.md, section 7). */
const ROUNDOFF = 2 ** -8;
const PRODUCT = 2 * ROUNDOFF + ROUNDOFF ** 2;
/** The error of float32 itself in a gradient, relative to the bound or the gradient beside it. */
const FLOAT32 = 1e-5;

/** Two thirds of the samples are near their own centres, as late in training; the rest are anywhere. */
export function mostlyConfident(options: Partial<ProblemOptions> = {}): ReferenceProblem {
  const problem = randomProblem({ batch: 96, classes: 1200, dim: 48, m3: 0.35, ...options });
  const random = randomNumbers(7);
  const near = (y: number) => (problem.weights[y] as number[]).map((v) => Math.fround(v + 0.5 * (random() - 0.5)));
  return {
    ...problem,
    embeddings: problem.embeddings.map((row, i) => (i % 3 === 0 ? row : near(problem.labels[i] as number))),
  };
}

/** What the bounds of docs/math.md are made of. */
interface Sample {
  /** |g_i|, the size of d L / d (unweighted loss). */
  upstream: number;
  /** 1 - p_iy. */
  miss: number;
}

function samplesOf(problem: ReferenceProblem): Sample[] {
  const { reduction = 'mean', lossGradient, ignoreLabel = -1, sampleWeights } = problem;
  const weights = problem.labels.map((y, i) => (y === ignoreLabel ? 0 : (sampleWeights?.[i] ?? 1)));
  const share = reduction === 'mean' ? 1 / Math.max(1, weights.filter((weight) => weight !== 0).length) : 1;
  const { loss } = reference({ ...problem, sampleWeights: undefined, reduction: 'none', lossGradient: undefined });
  return weights.map((weight, i) => ({
    upstream: Math.abs(weight * share * (lossGradient?.[i] ?? 1)),
    miss: -Math.expm1(-(loss[i] as number)),
  }));
}

const lengthsOf = (rows: number[][]): number[] => rows.map((row) => Math.hypot(...row));

/** |rows of `a` - rows of `b`| and |rows of `b`|. */
function rowErrors(a: Float32Array, b: Float32Array, dim: number): { error: number[]; size: number[] } {
  const rows = Array.from({ length: b.length / dim }, (_, r) => r * dim);
  const rowLength = (at: number, value: (k: number) => number) =>
    Math.hypot(...Array.from({ length: dim }, (_, d) => value(at + d)));
  return {
    error: rows.map((at) => rowLength(at, (k) => (a[k] as number) - (b[k] as number))),
    size: rows.map((at) => rowLength(at, (k) => b[k] as number)),
  };
}

/**
 * |err dx_i| |x_i| <= s |g_i| mass_i for every sample, and sum_c |w_c| |err dw_c| <= s sum_i |g_i| mass_i: the form of
 * every bound of docs/math.md.
 */
function expectWithin(problem: ReferenceProblem, actual: Outcome, exact: Outcome, mass: (sample: Sample) => number) {
  const dim = problem.weights[0]?.length ?? 0;
  const bounds = samplesOf(problem).map((sample) => problem.scale * sample.upstream * mass(sample));
  const samples = rowErrors(actual.dEmbeddings, exact.dEmbeddings, dim);
  lengthsOf(problem.embeddings).forEach((length, i) => {
    const allowed = (bounds[i] as number) + FLOAT32 * length * (samples.size[i] as number);
    expect(length * (samples.error[i] as number), `dEmbeddings[${i}]`).toBeLessThanOrEqual(allowed);
  });
  const classes = rowErrors(actual.dWeights, exact.dWeights, dim);
  const weighted = (values: number[]) =>
    lengthsOf(problem.weights).reduce((sum, length, c) => sum + length * (values[c] as number), 0);
  const allowed = bounds.reduce((sum, bound) => sum + bound, 0) + FLOAT32 * weighted(classes.size);
  expect(weighted(classes.error), 'dWeights').toBeLessThanOrEqual(allowed);
}

/** Some row of each gradient differs by more than float32's own error: the permission was made use of. */
function expectDifferent(problem: ReferenceProblem, actual: Outcome, exact: Outcome): void {
  const dim = problem.weights[0]?.length ?? 0;
  for (const name of ['dEmbeddings', 'dWeights'] as const) {
    const { error, size } = rowErrors(actual[name], exact[name], dim);
    const largest = Math.max(...error.map((e, r) => e / ((size[r] as number) || 1)));
    expect(largest, `${name} differ`).toBeGreaterThan(1e-4);
  }
}

/** A tolerance that finds something to leave out: nothing but the gradients changes, and they within the bound. */
export function expectFiltered(run: Run, problem: ReferenceProblem, gradientTolerance: number): void {
  const exact = run(problem);
  const filtered = run({ ...problem, gradientTolerance });
  for (const name of ['loss', 'targetCosine', 'prediction'] as const) expect(filtered[name]).toEqual(exact[name]);
  expectDifferent(problem, filtered, exact);
  expectWithin(problem, filtered, exact, () => gradientTolerance);
}

/** The length of all errors together, where roundings average as they do when each goes to the nearest. */
function expectTypical(actual: Outcome, exact: Outcome, relative: number): void {
  for (const name of ['dEmbeddings', 'dWeights'] as const)
    expect(relativeError(actual[name], [...exact[name]]), name).toBeLessThan(relative);
}

/** bf16 in the products of the gradients alone: the loss is float32's, the gradients are within the bound. */
export function expectBf16Gradients(run: Run, problem: ReferenceProblem): void {
  const exact = run(problem);
  const rounded = run({ ...problem, precision: 'bf16-gradients' });
  expect(relativeError(rounded.loss, [...exact.loss])).toBeLessThan(2e-6);
  expect(rounded.targetCosine).toEqual(exact.targetCosine);
  expect(rounded.prediction).toEqual(exact.prediction);
  expectDifferent(problem, rounded, exact);
  expectWithin(problem, rounded, exact, ({ miss }) => PRODUCT * miss);
  expectTypical(rounded, exact, 0.6 * ROUNDOFF);
}

/**
 * bf16 in the cosines too. Every logit is off by at most eta, so every probability by a factor of at most e^(2 eta); that
 * is the proof's bound. Roundings average, so in fact a logit is off by 0.6 u s / sqrt(D), and the gradients in proportion.
 */
export function expectBf16(run: Run, problem: ReferenceProblem): void {
  const exact = run(problem);
  const rounded = run({ ...problem, precision: 'bf16' });
  const eta = problem.scale * PRODUCT;
  const weights = samplesOf(problem);
  const lossBound = ({ upstream, miss }: Sample) => upstream * Math.min(eta, miss * Math.expm1(eta));
  const reduced = weights.reduce((sum, sample) => sum + lossBound(sample), 0);
  const error = Math.abs((rounded.loss[0] as number) - (exact.loss[0] as number));
  expect(error, 'loss').toBeLessThanOrEqual(reduced + FLOAT32 * Math.abs(exact.loss[0] as number));
  expect(rounded.loss, 'loss differs').not.toEqual(exact.loss);
  expect(rounded.targetCosine).toEqual(exact.targetCosine);
  expectDifferent(problem, rounded, exact);
  const growth = Math.expm1(2 * eta) + PRODUCT * Math.exp(2 * eta) + Math.expm1(eta);
  expectWithin(problem, rounded, exact, ({ miss }) => miss * growth);
  const dim = problem.weights[0]?.length ?? 1;
  expectTypical(rounded, exact, 0.6 * ROUNDOFF * (1 + problem.scale / Math.sqrt(dim)));
}

/** The defaults are what was there before either option: the same bits, given or not. */
export function expectExactByDefault(run: Run, problem: ReferenceProblem): void {
  expect(run({ ...problem, precision: 'fp32', gradientTolerance: 0 })).toEqual(run(problem));
}

/** Where every class has its fair share of the probability there is nothing to leave out. */
export function expectNothingToLeaveOut(run: Run): void {
  const problem = mostlyConfident({ scale: 0.1 });
  const exact = run(problem);
  const filtered = run({ ...problem, gradientTolerance: 0.5 });
  expect(relativeError(filtered.dEmbeddings, [...exact.dEmbeddings])).toBeLessThan(FLOAT32);
  expect(relativeError(filtered.dWeights, [...exact.dWeights])).toBeLessThan(FLOAT32);
}
