/**
 * Margin softmax in double precision, plain loops and the textbook formulas: what the binary's results are held
 * against. Written apart from native/reference, so that an error there does not hide here.
 */
export interface ReferenceProblem {
  embeddings: Float32Array;
  weights: Float32Array;
  labels: Int32Array;
  dim: number;
  scale: number;
  m1: number;
  m2: number;
  m3: number;
  ignoreLabel?: number;
  sampleWeights?: Float32Array;
  /** In place of m3. */
  sampleMargins?: Float32Array;
}

export interface ReferenceResult {
  loss: Float64Array;
  mean: number;
  cosines: Float64Array[];
  targetCosine: Float64Array;
  prediction: Int32Array;
  dEmbeddings: Float64Array;
  dWeights: Float64Array;
}

export function marginSoftmaxReference(problem: ReferenceProblem): ReferenceResult {
  const { labels, dim, scale, ignoreLabel = -1, sampleWeights } = problem;
  const x = unitRows(problem.embeddings, dim);
  const w = unitRows(problem.weights, dim);
  const batch = labels.length;
  const counts = (i: number) => labels[i] !== ignoreLabel && sampleWeights?.[i] !== 0;
  const counted = Array.from(labels.keys()).filter(counts).length;
  const share = counted > 0 ? 1 / counted : 0;
  const result: ReferenceResult = {
    loss: new Float64Array(batch),
    mean: 0,
    cosines: [],
    targetCosine: new Float64Array(batch),
    prediction: new Int32Array(batch),
    dEmbeddings: new Float64Array(problem.embeddings.length),
    dWeights: new Float64Array(problem.weights.length),
  };
  for (let i = 0; i < batch; i++) {
    const cosines = Float64Array.from(w.rows, (row) => dot(x.rows[i]!, row));
    result.cosines.push(cosines);
    result.prediction[i] = cosines.indexOf(Math.max(...cosines));
    const y = labels[i]!;
    if (y === ignoreLabel) continue;
    result.targetCosine[i] = cosines[y]!;
    const target = margined(cosines[y]!, problem.m1, problem.m2, problem.sampleMargins?.[i] ?? problem.m3);
    const logits = cosines.map((c) => scale * c);
    logits[y] = scale * target.value;
    const weight = sampleWeights?.[i] ?? 1;
    const p = softmax(logits);
    result.loss[i] = weight * p.loss(y);
    result.mean += share * result.loss[i]!;
    for (let c = 0; c < cosines.length; c++) {
      const dLogit = weight * share * (p.probability[c]! - (c === y ? 1 : 0));
      const dCosine = scale * dLogit * (c === y ? target.slope : 1);
      for (let d = 0; d < dim; d++) {
        result.dEmbeddings[i * dim + d]! += dCosine * w.rows[c]![d]!;
        result.dWeights[c * dim + d]! += dCosine * x.rows[i]![d]!;
      }
    }
  }
  throughNormalisation(result.dEmbeddings, x, dim);
  throughNormalisation(result.dWeights, w, dim);
  return result;
}

interface UnitRows {
  rows: Float64Array[];
  norms: number[];
}

function unitRows(matrix: Float32Array, dim: number): UnitRows {
  const unit: UnitRows = { rows: [], norms: [] };
  for (let start = 0; start < matrix.length; start += dim) {
    const row = Float64Array.from(matrix.subarray(start, start + dim));
    const norm = Math.hypot(...row);
    unit.norms.push(norm);
    unit.rows.push(row.map((value) => (norm < 1e-12 ? 0 : value / norm)));
  }
  return unit;
}

/** The Jacobian of u = v / |v| is (I - u u') / |v|. */
function throughNormalisation(gradient: Float64Array, unit: UnitRows, dim: number): void {
  unit.rows.forEach((u, r) => {
    const g = gradient.subarray(r * dim, (r + 1) * dim);
    const along = dot(g, u);
    const norm = unit.norms[r]!;
    for (let d = 0; d < dim; d++) g[d] = norm < 1e-12 ? 0 : (g[d]! - along * u[d]!) / norm;
  });
}

function margined(cosine: number, m1: number, m2: number, m3: number): { value: number; slope: number } {
  if (m1 === 1 && m2 === 0) return { value: cosine - m3, slope: 1 };
  const t = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const angle = m1 * t + m2;
  const k = Math.floor(angle / Math.PI);
  const sign = k % 2 === 0 ? 1 : -1;
  // Where x_i and w_y are parallel the slope has no bound, but the tangent that it multiplies is 0.
  const sine = Math.max(Math.sin(t), 1e-9);
  return { value: sign * Math.cos(angle) - 2 * k - m3, slope: (sign * m1 * Math.sin(angle)) / sine };
}

function softmax(logits: Float64Array): { probability: Float64Array; loss: (y: number) => number } {
  const highest = Math.max(...logits);
  const exponentials = logits.map((z) => Math.exp(z - highest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return {
    probability: exponentials.map((e) => e / sum),
    // log1p of the others: log(sum) would lose a loss below 1e-16.
    loss: (y) =>
      logits[y] === highest
        ? Math.log1p(exponentials.reduce((a, e, c) => (c === y ? a : a + e), 0))
        : Math.log(sum) + highest - logits[y]!,
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}
