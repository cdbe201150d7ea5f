/**
 * Margin softmax in double precision and plain loops: what the TypeScript tests hold everything against. Written from
 * the header comment of native/include/cosface/margin_softmax.h, not from the C++ reference, so that neither can hide
 * the other's mistake.
 */
export interface ReferenceProblem {
  embeddings: number[][];
  weights: number[][];
  labels: number[];
  scale: number;
  m1?: number;
  m2?: number;
  m3?: number;
  reduction?: 'mean' | 'sum' | 'none';
  gradient?: 'exact' | 'detached';
  ignoreLabel?: number;
  sampleWeights?: number[] | undefined;
  sampleMargins?: number[] | undefined;
  sampleMarginTerm?: 'm1' | 'm2' | 'm3';
  /** Handed to the kernels only; the reference is exact. */
  precision?: 'fp32' | 'bf16-gradients' | 'bf16';
  gradientTolerance?: number;
  /** d / d (loss of a sample), with reduction `none`. */
  lossGradient?: number[] | undefined;
}

export interface ReferenceResult {
  /** The loss of each sample, weighted. */
  loss: number[];
  /** Their sum, or mean with reduction `mean`. */
  reducedLoss: number;
  targetCosine: number[];
  prediction: number[];
  dEmbeddings: number[][];
  dWeights: number[][];
}

const ANGLE_EPSILON = 1e-4;

export function reference(problem: ReferenceProblem): ReferenceResult {
  const { embeddings, weights, labels, scale, ignoreLabel = -1, sampleWeights, sampleMargins } = problem;
  const { reduction = 'mean', lossGradient } = problem;
  const weightOf = (i: number) => (labels[i] === ignoreLabel ? 0 : at(sampleWeights ?? [], i, 1));
  const counted = labels.filter((_, i) => weightOf(i) !== 0).length;
  const share = reduction === 'mean' ? 1 / Math.max(counted, 1) : 1;
  const x = embeddings.map(unit);
  const w = weights.map(unit);
  const dX = embeddings.map((row) => row.map(() => 0));
  const dW = weights.map((row) => row.map(() => 0));
  const result: ReferenceResult = {
    ...{ loss: [], reducedLoss: 0, targetCosine: [], prediction: [] },
    ...{ dEmbeddings: dX, dWeights: dW },
  };
  labels.forEach((y, i) => {
    const cosines = w.map((row) => dot(row, x[i] as number[]));
    result.prediction.push(cosines.indexOf(Math.max(...cosines)));
    if (y === ignoreLabel) {
      result.loss.push(0);
      result.targetCosine.push(0);
      return;
    }
    const own = cosines[y] as number;
    const target = margined(own, problem, sampleMargins?.[i]);
    // ratio = (sum over the others of e^z) / e^z_y, by its logarithm.
    const gaps = cosines.map((cosine) => scale * (cosine - target.value));
    const top = Math.max(...gaps.filter((_, c) => c !== y), Number.NEGATIVE_INFINITY);
    const shifted = gaps.map((gap, c) => (c === y ? 0 : Math.exp(gap - top)));
    const total = shifted.reduce((a, b) => a + b, 0);
    const logRatio = total === 0 ? Number.NEGATIVE_INFINITY : top + Math.log(total);
    const miss = 1 / (1 + Math.exp(-logRatio));
    const loss =
      weightOf(i) * (logRatio > 0 ? logRatio + Math.log1p(Math.exp(-logRatio)) : Math.log1p(Math.exp(logRatio)));
    result.loss.push(loss);
    result.reducedLoss += loss * share;
    result.targetCosine.push(own);
    const upstream = weightOf(i) * share * at(lossGradient ?? [], i, 1) * scale;
    cosines.forEach((_, c) => {
      const p = total === 0 ? 0 : (miss * (shifted[c] as number)) / total;
      const dCosine = upstream * (c === y ? -miss * target.slope : p);
      addScaled(dX[i] as number[], w[c] as number[], dCosine);
      addScaled(dW[c] as number[], x[i] as number[], dCosine);
    });
  });
  result.dEmbeddings = dX.map((row, i) => tangent(row, embeddings[i] as number[]));
  result.dWeights = dW.map((row, c) => tangent(row, weights[c] as number[]));
  return result;
}

/** psi(m1 t + m2) - m3 and its derivative by the cosine. */
function margined(
  cosine: number,
  problem: ReferenceProblem,
  sampleMargin: number | undefined,
): { value: number; slope: number } {
  const margins = { m1: problem.m1 ?? 1, m2: problem.m2 ?? 0, m3: problem.m3 ?? 0 };
  if (sampleMargin !== undefined) margins[problem.sampleMarginTerm ?? 'm3'] = sampleMargin;
  const { m1, m2, m3 } = margins;
  const clamped = Math.min(1, Math.max(-1, cosine));
  if (m1 === 1 && m2 === 0) return { value: clamped - m3, slope: 1 };
  const t = Math.acos(clamped);
  const angle = m1 * t + m2;
  const k = Math.floor(angle / Math.PI);
  const value = (k % 2 === 0 ? 1 : -1) * Math.cos(angle) - 2 * k - m3;
  if (problem.gradient === 'detached') return { value, slope: 1 };
  const safe = Math.min(Math.PI - ANGLE_EPSILON, Math.max(ANGLE_EPSILON, t));
  return { value, slope: (m1 * Math.abs(Math.sin(m1 * safe + m2))) / Math.sin(safe) };
}

function unit(row: number[]): number[] {
  const norm = Math.hypot(...row);
  return row.map((value) => (norm < 1e-12 ? 0 : value / norm));
}

function tangent(gradient: number[], row: number[]): number[] {
  const norm = Math.hypot(...row);
  const u = unit(row);
  const along = dot(gradient, u);
  return gradient.map((g, d) => (norm < 1e-12 ? 0 : (g - along * (u[d] as number)) / norm));
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, value, d) => sum + value * (b[d] as number), 0);
}

function addScaled(into: number[], from: number[], factor: number): void {
  for (let d = 0; d < into.length; d++) into[d] = (into[d] as number) + factor * (from[d] as number);
}

function at(values: number[], i: number, otherwise: number): number {
  return values[i] ?? otherwise;
}
