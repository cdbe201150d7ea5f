import {
  add,
  argMax,
  cast,
  concat,
  div,
  equal,
  exp,
  fill,
  greater,
  log,
  matMul,
  max,
  maximum,
  mul,
  neg,
  notEqual,
  ones,
  range,
  reshape,
  scalar,
  sigmoid,
  slice,
  squeeze,
  sub,
  sum,
  type Tensor,
  tidy,
  where,
  zeros,
} from '@tensorflow/tfjs-core';
import type { MarginSoftmaxGradAttrs } from '../kernels/kernel-names.js';
import type { MarginSoftmaxExecutor, MarginSoftmaxTensors } from '../kernels/margin-softmax-gradient.js';
import {
  applyCosineMargin,
  applyMargin,
  changesAngle,
  type MarginColumns,
  type MarginedCosine,
  ownAngle,
} from './apply-margin.js';
import { checkValues } from './check-values.js';
import { softplus } from './softplus.js';
import { throughNormalisation, type UnitRows, unitRows } from './unit-rows.js';

/** Elements of one N x (chunk of C) array. 2^22 float32 are 16 MiB, and about six of them live at a time. */
const CHUNK_ELEMENTS = 2 ** 22;

/** Below every cosine, and finite so that its differences are. */
const NO_COSINE = -2;

/**
 * Margin softmax in plain TensorFlow.js ops, for backends without a native kernel: the executor of WebGL and WebGPU,
 * and of Node without the binary. The gradients are spelt out, so that N x C exists one chunk of classes at a time.
 *
 * As in the native kernels, the sum over the other classes is kept apart from the target: loss = softplus(u) and
 * 1 - p_y = sigmoid(u) with u = log(sum of the others) - z_y keep their digits when p_y is nearly 1.
 *
 * All products are float32 and nothing is left out, whatever `precision` and `gradientTolerance` permit.
 *
 * @param chunkElements - Upper bound for the elements of one N x (chunk of C) array.
 */
export function composedExecutor(chunkElements: number = CHUNK_ELEMENTS): MarginSoftmaxExecutor {
  return {
    marginSoftmax: (tensors, attrs) =>
      tidy(() => {
        if (tensors.labels.size === 0) return emptyBatch(tensors, attrs.reduction === 'none', attrs.withGradients);
        const pass = forward(tensors, attrs, chunkElements);
        const outputs = [reduce(pass, attrs), squeeze(pass.targetCosine, [1]), pass.prediction];
        if (attrs.withGradients) outputs.push(...gradients(pass, share(pass, attrs)));
        return outputs;
      }),
    marginSoftmaxGrad: (tensors, lossGradient, attrs) =>
      tidy(() => {
        if (tensors.labels.size === 0) return emptyBatch(tensors, true, true).slice(3);
        const pass = forward(tensors, attrs, chunkElements);
        const given = attrs.reduction === 'none' ? column(lossGradient) : mul(lossGradient, share(pass, attrs));
        return gradients(pass, given);
      }),
  };
}

/** N = 0, which several backends' reductions do not survive. */
function emptyBatch(
  { embeddings, weights }: MarginSoftmaxTensors,
  perSample: boolean,
  withGradients: boolean,
): Tensor[] {
  const outputs = [zeros(perSample ? [0] : []), zeros([0]), zeros([0], 'int32')];
  if (withGradients)
    outputs.push(zeros(embeddings.shape as [number, number]), zeros(weights.shape as [number, number]));
  return outputs;
}

/** One chunk of classes, [start, start + size). */
interface Chunk {
  start: number;
  size: number;
}

/** Everything about the rows that the loss and the gradients need; columns are [N, 1]. */
interface Pass {
  x: UnitRows;
  w: UnitRows;
  labels: Tensor;
  scale: number;
  chunks: Chunk[];
  /** The cosines [N, C] if they are one chunk: then the gradients need not compute them again. */
  cosines: Tensor | undefined;
  /** The largest cosine of the other classes. */
  highest: Tensor;
  /** sum over c != y of exp(s (cos_c - highest)); at least 1, but 0 with one class. */
  others: Tensor;
  targetCosine: Tensor;
  /** [N] int32. */
  prediction: Tensor;
  margined: MarginedCosine;
  /** u = log(sum of the others) - z_y. */
  excess: Tensor;
  /** The sample's weight, 0 where ignored. */
  weight: Tensor;
}

function forward(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxGradAttrs, chunkElements: number): Pass {
  const { embeddings, weights, sampleWeights, sampleMargins } = tensors;
  const [batch, classes] = [embeddings.shape[0] as number, weights.shape[0] as number];
  checkValues({
    floats: { embeddings, weights, ...(sampleWeights && { sampleWeights }) },
    labels: tensors.labels,
    ignoreLabel: attrs.ignoreLabel,
    ...{ classes, weights },
    margins: sampleMargins ? [{ term: attrs.sampleMarginTerm, values: sampleMargins }] : [],
  });
  const x = unitRows(embeddings);
  const w = unitRows(weights);
  const labels = column(tensors.labels);
  const chunks = classChunks(classes, Math.max(1, Math.floor(chunkElements / batch)));
  const cosines = chunks.length === 1 ? matMul(x.rows, w.rows, false, true) : undefined;
  const scan = scanClasses({ x, w, labels, scale: attrs.scale, chunks, cosines });
  // A plain number would be a float32, which skips whole numbers above 2^24.
  const counted = cast(notEqual(labels, scalar(attrs.ignoreLabel, 'int32')), 'float32');
  const targetCosine = mul(scan.targetCosine, counted);
  const columns = marginColumns(tensors, attrs);
  const margined = changesAngle(columns)
    ? applyMargin(targetCosine, ownAngle(x.rows, w.rows, tensors.labels), columns, attrs.gradient)
    : applyCosineMargin(targetCosine, columns.m3);
  const excess = add(mul(attrs.scale, sub(scan.highest, margined.value)), log(scan.others));
  return {
    ...{ x, w, labels, scale: attrs.scale, chunks, cosines, ...scan, targetCosine, margined, excess },
    weight: sampleWeights ? mul(column(sampleWeights), counted) : counted,
  };
}

function classChunks(classes: number, size: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let start = 0; start < classes; start += size) chunks.push({ start, size: Math.min(size, classes - start) });
  return chunks;
}

function marginColumns({ sampleMargins }: MarginSoftmaxTensors, attrs: MarginSoftmaxGradAttrs): MarginColumns {
  const { m1, m2, m3, sampleMarginTerm } = attrs;
  return { m1, m2, m3, ...(sampleMargins && { [sampleMarginTerm]: column(sampleMargins) }) };
}

type Classes = Pick<Pass, 'x' | 'w' | 'labels' | 'scale' | 'chunks' | 'cosines'>;
type Scan = Pick<Pass, 'highest' | 'others' | 'targetCosine' | 'prediction'>;

/** One pass over the classes with a running maximum, so that no exponent is above 0 whatever the scale. */
function scanClasses(classes: Classes): Scan {
  const batch = classes.labels.shape[0] as number;
  let scan: Scan & { best: Tensor } = {
    highest: fill([batch, 1], NO_COSINE),
    others: zeros([batch, 1]),
    targetCosine: zeros([batch, 1]),
    prediction: zeros([batch], 'int32'),
    best: fill([batch], NO_COSINE),
  };
  for (const chunk of classes.chunks) {
    const next = tidy(() => scanChunk(classes, chunk, scan));
    for (const tensor of Object.values(scan)) tensor.dispose();
    scan = next;
  }
  return scan;
}

function scanChunk(classes: Classes, chunk: Chunk, scan: Scan & { best: Tensor }): Scan & { best: Tensor } {
  const { cosines, onTarget } = chunkOf(classes, chunk);
  const highest = maximum(scan.highest, max(where(onTarget, NO_COSINE, cosines), 1, true));
  const terms = where(onTarget, 0, exp(mul(classes.scale, sub(cosines, highest))));
  const earlier = mul(scan.others, exp(mul(classes.scale, sub(scan.highest, highest))));
  const best = max(cosines, 1);
  const better = greater(best, scan.best);
  return {
    highest,
    others: add(earlier, sum(terms, 1, true)),
    targetCosine: add(scan.targetCosine, sum(where(onTarget, cosines, 0), 1, true)),
    prediction: where(better, add(argMax(cosines, 1), scalar(chunk.start, 'int32')), scan.prediction),
    best: maximum(best, scan.best),
  };
}

function chunkOf({ x, w, labels, cosines }: Classes, { start, size }: Chunk): { cosines: Tensor; onTarget: Tensor } {
  return {
    cosines: cosines ?? matMul(x.rows, slice(w.rows, [start, 0], [size, -1]), false, true),
    onTarget: equal(labels, reshape(range(start, start + size, 1, 'int32'), [1, size])),
  };
}

/** softplus(u), weighted; scalar or [N]. */
function reduce(pass: Pass, attrs: MarginSoftmaxGradAttrs): Tensor {
  const losses = mul(softplus(pass.excess), pass.weight);
  return attrs.reduction === 'none' ? squeeze(losses, [1]) : sum(mul(losses, share(pass, attrs)));
}

/** d reduced loss / d (loss of a sample), [N, 1]. */
function share(pass: Pass, { reduction }: MarginSoftmaxGradAttrs): Tensor {
  const one = ones([pass.labels.shape[0] as number, 1]);
  if (reduction !== 'mean') return one;
  return div(one, maximum(sum(cast(notEqual(pass.weight, 0), 'float32')), 1));
}

/** dEmbeddings and dWeights for d / d (loss of a sample), [N, 1]. */
function gradients(pass: Pass, lossGradient: Tensor): Tensor[] {
  const { x, w, scale, margined } = pass;
  const upstream = mul(mul(pass.weight, lossGradient), mul(scale, sigmoid(pass.excess)));
  const onTargetGradient = neg(mul(upstream, margined.slope));
  const otherGradient = div(upstream, maximum(pass.others, 1));
  let dUnitX: Tensor = zeros(x.rows.shape as [number, number]);
  const dWeights: Tensor[] = [];
  for (const chunk of pass.chunks) {
    const [dX, dW] = tidy(() => {
      const { cosines, onTarget } = chunkOf(pass, chunk);
      const terms = mul(otherGradient, exp(mul(scale, sub(cosines, pass.highest))));
      const dCosines = where(onTarget, onTargetGradient, terms);
      const rows = slice(w.rows, [chunk.start, 0], [chunk.size, -1]);
      const inverseNorm = slice(w.inverseNorm, [chunk.start, 0], [chunk.size, 1]);
      const dRows = throughNormalisation(matMul(dCosines, x.rows, true), { rows, inverseNorm });
      return [add(dUnitX, matMul(dCosines, rows)), dRows] as [Tensor, Tensor];
    });
    dUnitX.dispose();
    dUnitX = dX;
    dWeights.push(dW);
  }
  return [throughNormalisation(dUnitX, x), concat(dWeights as [Tensor], 0)];
}

function column(tensor: Tensor): Tensor {
  return reshape(tensor, [-1, 1]);
}
