import type { LossProblem } from './problem.js';
import { SCALE } from './rows.js';

/** What a call gave; the mean over the samples that count, and its gradients. */
export interface LossOutputs {
  loss: number;
  /** [N, D]; absent for the loss alone. */
  dEmbeddings?: Float32Array;
  /** [C, D]; absent for the loss alone. */
  dWeights?: Float32Array;
}

/** Flops of one check: about a second of double precision in JavaScript. */
const CHECK_FLOPS = 5e8;

/**
 * The samples that a check can afford, evenly spread over the batch: all of them where the problem is small. The others
 * get sample weight 0, so that a call of full size is checked in all its outputs at a part of the cost.
 */
export function samplesToCheck({ batch, classes, dim }: LossProblem): number[] {
  const count = Math.min(batch, Math.max(1, Math.floor(CHECK_FLOPS / (6 * classes * dim))));
  return Array.from({ length: count }, (_, k) => Math.floor(((k + 0.5) * batch) / count));
}

/** Weight 1 for `samples` and 0 for the others; nothing where that is all of them. */
export function sampleWeightsFor({ batch }: LossProblem, samples: readonly number[]): Float32Array | undefined {
  if (samples.length === batch) return undefined;
  const weights = new Float32Array(batch);
  for (const i of samples) weights[i] = 1;
  return weights;
}

/**
 * Relative L2 error of the mean CosFace loss over `samples` and of its gradients against double precision: the largest
 * of the three. Every element of the gradients counts, those of other samples being 0.
 *
 * The formulas are those of docs/math.md, sections 2 and 3: the target is kept apart from the sum of the others.
 */
export function relativeError(problem: LossProblem, samples: readonly number[], outputs: LossOutputs): number {
  const exact = new DoublePrecision(problem, samples);
  const lossError = Math.abs(outputs.loss - exact.loss) / Math.abs(exact.loss);
  if (!outputs.dEmbeddings || !outputs.dWeights) return worst([lossError]);
  const { dEmbeddings, dWeightsError } = exact.gradients(outputs.dWeights);
  const embeddingsError = new SquaredError();
  for (let at = 0; at < dEmbeddings.length; at++)
    embeddingsError.add(outputs.dEmbeddings[at], dEmbeddings[at] as number);
  return worst([lossError, embeddingsError.relative(), dWeightsError]);
}

/**
 * How much of what `gradientTolerance` permits the gradients have left out: 1 is all of it (docs/math.md, section 8).
 *
 *     |x_i| |err dx_i|  <=  eps s / K  for every sample,      sum_c |w_c| |err dw_c|  <=  eps s
 */
export function shareOfTolerance(
  { problem, samples }: { problem: LossProblem; samples: readonly number[] },
  outputs: LossOutputs,
  gradientTolerance: number,
): number {
  const exact = new DoublePrecision(problem, samples);
  const { dEmbeddings, dWeightsLoss } = exact.gradients(outputs.dWeights as Float32Array);
  const actual = outputs.dEmbeddings as Float32Array;
  const { dim, embeddings } = problem;
  const shares = samples.map((i) => {
    const error = new SquaredError();
    for (let at = i * dim; at < (i + 1) * dim; at++) error.add(actual[at], dEmbeddings[at] as number);
    return (error.absolute() * samples.length) / inverseNorm(embeddings, i, dim);
  });
  return worst([...shares, dWeightsLoss]) / (SCALE * gradientTolerance);
}

/** Unlike Math.max of comparisons, keeps NaN: a NaN is the worst error there is. */
function worst(errors: readonly number[]): number {
  return Math.max(...errors);
}

class SquaredError {
  private difference = 0;
  private exact = 0;

  add(actual: number | undefined, exact: number): void {
    this.difference += ((actual ?? Number.NaN) - exact) ** 2;
    this.exact += exact ** 2;
  }

  join({ difference, exact }: SquaredError): void {
    this.difference += difference;
    this.exact += exact;
  }

  /** |actual - exact| / |exact|; the absolute error where all that is exact is 0. */
  relative(): number {
    return Math.sqrt(this.difference / (this.exact || 1));
  }

  absolute(): number {
    return Math.sqrt(this.difference);
  }
}

/** The loss over K samples, and what its gradients need: K x C cosines, never C x D of doubles. */
class DoublePrecision {
  readonly loss: number;
  private readonly problem: LossProblem;
  private readonly samples: readonly number[];
  private readonly unitX: Float64Array[];
  private readonly inverseNormW: Float64Array;
  /** cos_kc, [K][C]. */
  private readonly cosines: Float64Array[];
  /** u_k = log(sum of the others) - z_y and log(sum of the others). */
  private readonly excess: number[];
  private readonly logOthers: number[];

  constructor(problem: LossProblem, samples: readonly number[]) {
    this.problem = problem;
    this.samples = samples;
    const { classes, dim, embeddings, weights } = problem;
    this.unitX = samples.map((i) => unitRow(embeddings, i, dim));
    this.inverseNormW = new Float64Array(classes).map((_, c) => inverseNorm(weights, c, dim));
    this.cosines = this.unitX.map((x) => this.cosinesOf(x));
    this.logOthers = samples.map((i, k) =>
      logSumOfOthers(this.cosines[k] as Float64Array, problem.labels[i] as number),
    );
    this.excess = samples.map((i, k) => {
      const target = (this.cosines[k] as Float64Array)[problem.labels[i] as number] as number;
      return (this.logOthers[k] as number) - SCALE * (target - problem.margin);
    });
    this.loss = this.excess.reduce((sum, u) => sum + softplus(u), 0) / samples.length;
  }

  /** dEmbeddings [N, D], how far `actual` is from dWeights [C, D], and the sum of |w_c| |actual_c - dWeights_c|. */
  gradients(actual: Float32Array): { dEmbeddings: Float64Array; dWeightsError: number; dWeightsLoss: number } {
    const { classes, dim, weights } = this.problem;
    const dUnitX = this.samples.map(() => new Float64Array(dim));
    const error = new SquaredError();
    let dWeightsLoss = 0;
    const unitW = new Float64Array(dim);
    for (let c = 0; c < classes; c++) {
      for (let d = 0; d < dim; d++) unitW[d] = (weights[c * dim + d] as number) * (this.inverseNormW[c] as number);
      const dUnitW = new Float64Array(dim);
      this.samples.forEach((_, k) => {
        const g = this.cosineGradient(k, c);
        accumulate(dUnitW, g, this.unitX[k] as Float64Array);
        accumulate(dUnitX[k] as Float64Array, g, unitW);
      });
      const dRow = throughNormalisation(dUnitW, unitW, this.inverseNormW[c] as number);
      const rowError = new SquaredError();
      for (let d = 0; d < dim; d++) rowError.add(actual[c * dim + d], dRow[d] as number);
      error.join(rowError);
      dWeightsLoss += rowError.absolute() / (this.inverseNormW[c] as number);
    }
    return { dEmbeddings: this.embeddingRows(dUnitX), dWeightsError: error.relative(), dWeightsLoss };
  }

  private cosinesOf(x: Float64Array): Float64Array {
    const { classes, dim, weights } = this.problem;
    const cosines = new Float64Array(classes);
    for (let c = 0; c < classes; c++) {
      let dot = 0;
      for (let d = 0; d < dim; d++) dot += (x[d] as number) * (weights[c * dim + d] as number);
      cosines[c] = dot * (this.inverseNormW[c] as number);
    }
    return cosines;
  }

  /** d loss / d cos_kc. */
  private cosineGradient(k: number, c: number): number {
    const label = this.problem.labels[this.samples[k] as number];
    const factor = (SCALE * sigmoid(this.excess[k] as number)) / this.samples.length;
    if (c === label) return -factor;
    return factor * Math.exp(SCALE * ((this.cosines[k] as Float64Array)[c] as number) - (this.logOthers[k] as number));
  }

  private embeddingRows(dUnitX: readonly Float64Array[]): Float64Array {
    const { batch, dim, embeddings } = this.problem;
    const all = new Float64Array(batch * dim);
    this.samples.forEach((i, k) => {
      const unit = this.unitX[k] as Float64Array;
      all.set(throughNormalisation(dUnitX[k] as Float64Array, unit, inverseNorm(embeddings, i, dim)), i * dim);
    });
    return all;
  }
}

function logSumOfOthers(cosines: Float64Array, label: number): number {
  // At scale 64 every term lies between e^-64 and e^64: no shift is needed in double precision.
  return Math.log(cosines.reduce((sum, cosine, c) => (c === label ? sum : sum + Math.exp(SCALE * cosine)), 0));
}

function inverseNorm(rows: Float32Array, row: number, dim: number): number {
  let squares = 0;
  for (let d = 0; d < dim; d++) squares += (rows[row * dim + d] as number) ** 2;
  return 1 / Math.sqrt(squares);
}

function unitRow(rows: Float32Array, row: number, dim: number): Float64Array {
  const inverse = inverseNorm(rows, row, dim);
  return Float64Array.from(rows.subarray(row * dim, (row + 1) * dim), (value) => value * inverse);
}

function accumulate(into: Float64Array, factor: number, row: Float64Array): void {
  for (let d = 0; d < into.length; d++) into[d] = (into[d] as number) + factor * (row[d] as number);
}

/** (g - <g, u> u) / norm. */
function throughNormalisation(gradient: Float64Array, unit: Float64Array, inverse: number): Float64Array {
  const along = gradient.reduce((sum, g, d) => sum + g * (unit[d] as number), 0);
  return gradient.map((g, d) => (g - along * (unit[d] as number)) * inverse);
}

function softplus(u: number): number {
  return Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
}

function sigmoid(u: number): number {
  return 1 / (1 + Math.exp(-u));
}
