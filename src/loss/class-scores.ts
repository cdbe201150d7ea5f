import {
  add,
  argMax,
  cast,
  concat,
  equal,
  expandDims,
  gather,
  matMul,
  max,
  maximum,
  minimum,
  mul,
  range,
  reshape,
  scalar,
  slice,
  squeeze,
  sum,
  type Tensor,
  tidy,
  where,
  zeros,
} from '@tensorflow/tfjs-core';
import type { MarginSoftmaxGradAttrs } from '../kernels/kernel-names.js';
import type { MarginSoftmaxTensors } from '../kernels/margin-softmax-gradient.js';
import { type OwnAngle, ownAngle } from './own-angle.js';
import { rowNorms, throughNormalisation, type UnitRows, unitRows } from './unit-rows.js';

/** Elements of one N x (chunk of C K) array. 2^22 float32 are 16 MiB, and about ten of them live at a time. */
export const CHUNK_ELEMENTS: number = 2 ** 22;

/** One chunk of classes, [start, start + size). */
export interface Chunk {
  start: number;
  size: number;
}

/** The scores of one chunk, [N, size]. */
export interface ChunkScores {
  scores: Tensor;
  /** True at a sample's own class. */
  onTarget: Tensor;
  /** Which of K centres is the nearest, [N, size] int32; without sub-centres undefined. */
  nearest: Tensor | undefined;
}

export interface ChunkGradient {
  scores: Tensor;
  logits: Tensor | undefined;
}

/** Each sample against its own class; columns [N, 1]. */
export interface OwnScores {
  score: Tensor;
  /** The sample's class, [N] int32; that of an ignored sample is some class. */
  label: Tensor;
  /** The row of weights that gave it, [N] int32. */
  row: Tensor;
  /** |w_row| if weights are not normalised, else undefined. */
  weightNorm: Tensor | undefined;
}

/** v_ic = <x_i, w_c>, rows normalised or not, the largest over the sub-centres of a class; and the way back. */
export class ClassScores {
  readonly labels: Tensor;
  readonly classes: number;
  readonly chunks: readonly Chunk[];
  /** |x_i| if embeddings are not normalised, else undefined; [N, 1]. */
  readonly embeddingNorm: Tensor | undefined;
  readonly own: OwnScores;
  private readonly unitX: UnitRows;
  private readonly unitW: UnitRows;
  /** The factors of the products. */
  private readonly x: Tensor;
  private readonly w: Tensor;
  /** <x_i, w_r> if all classes are one chunk: then the gradients need not compute them again. */
  private readonly products: Tensor | undefined;
  private readonly attrs: MarginSoftmaxGradAttrs;

  constructor(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxGradAttrs, chunkElements: number) {
    const { embeddings, weights } = tensors;
    this.attrs = attrs;
    this.labels = reshape(tensors.labels, [-1, 1]);
    this.classes = (weights.shape[0] as number) / attrs.subCenters;
    const size = Math.max(1, Math.floor(chunkElements / ((embeddings.shape[0] as number) * attrs.subCenters)));
    this.chunks = classChunks(this.classes, size);
    this.unitX = unitRows(embeddings);
    this.unitW = unitRows(weights);
    this.x = attrs.normalizeEmbeddings ? this.unitX.rows : embeddings;
    this.w = attrs.normalizeWeights ? this.unitW.rows : weights;
    this.embeddingNorm = attrs.normalizeEmbeddings ? undefined : rowNorms(embeddings);
    this.products = this.chunks.length === 1 ? matMul(this.x, this.w, false, true) : undefined;
    this.own = this.ownScores(weights);
  }

  chunk({ start, size }: Chunk): ChunkScores {
    const k = this.attrs.subCenters;
    const all = this.products ?? matMul(this.x, slice(this.w, [start * k, 0], [size * k, -1]), false, true);
    const onTarget = equal(this.labels, reshape(range(start, start + size, 1, 'int32'), [1, size]));
    if (k === 1) return { scores: all, onTarget, nearest: undefined };
    const grouped = reshape(all, [-1, size, k]);
    return { scores: max(grouped, 2), onTarget, nearest: argMax(grouped, 2) };
  }

  /** The angle to the own centre; a sample that is ignored has some angle. */
  ownAngle(): OwnAngle {
    return ownAngle(this.unitX.rows, this.unitW.rows, this.own.row);
  }

  /**
   * The gradients from those by the scores.
   *
   * @param dChunk - By the scores of a chunk, [N, size], and by its logits if there is a bias.
   * @param dNorms - By q_i, the norms that are not normalised away, [N, 1]; undefined if all are.
   */
  backward(
    dChunk: (chunk: Chunk, scores: ChunkScores) => ChunkGradient,
    dNorms: Tensor | undefined,
  ): { embeddings: Tensor; weights: Tensor; logits: Tensor } {
    let dX: Tensor = zeros(this.x.shape as [number, number]);
    const dWeights: Tensor[] = [];
    const dLogits: Tensor[] = [];
    for (const chunk of this.chunks) {
      const next = tidy(() => this.chunkBackward(chunk, dChunk, dNorms, dX));
      dX.dispose();
      dX = next.embeddings;
      dWeights.push(next.weights);
      dLogits.push(next.logits);
    }
    if (this.attrs.normalizeEmbeddings) dX = throughNormalisation(dX, this.unitX);
    else if (dNorms) dX = add(dX, mul(mul(dNorms, this.own.weightNorm ?? 1), this.unitX.rows));
    return { embeddings: dX, weights: concat(dWeights, 0), logits: concat(dLogits, 0) };
  }

  private chunkBackward(
    chunk: Chunk,
    dChunk: (chunk: Chunk, scores: ChunkScores) => ChunkGradient,
    dNorms: Tensor | undefined,
    dX: Tensor,
  ): { embeddings: Tensor; weights: Tensor; logits: Tensor } {
    const k = this.attrs.subCenters;
    const scores = this.chunk(chunk);
    const { scores: byClass, logits } = dChunk(chunk, scores);
    const byRow = scores.nearest ? spread(byClass, scores.nearest, k) : byClass;
    const part = (tensor: Tensor, columns: number) => slice(tensor, [chunk.start * k, 0], [chunk.size * k, columns]);
    let dW = matMul(byRow, this.x, true);
    if (this.attrs.normalizeWeights) {
      const unit = { rows: part(this.unitW.rows, -1), inverseNorm: part(this.unitW.inverseNorm, 1) };
      dW = throughNormalisation(dW, unit);
    } else if (dNorms) {
      // d q_i / d w_y = |x_i| w_y / |w_y|: a sum over the samples of each class.
      const byNorm = mul(dNorms, this.embeddingNorm ?? 1);
      const own = spreadOwn(scores, byNorm, k);
      dW = add(dW, mul(reshape(sum(own, 0), [-1, 1]), part(this.unitW.rows, -1)));
    }
    const embeddings = add(dX, matMul(byRow, part(this.w, -1)));
    return { embeddings, weights: dW, logits: logits ? sum(logits, 0) : zeros([0]) };
  }

  private ownScores(weights: Tensor): OwnScores {
    const k = this.attrs.subCenters;
    const last = scalar(this.classes - 1, 'int32');
    const labels = maximum(minimum(squeeze(this.labels, [1]), last), scalar(0, 'int32'));
    const norms = (row: Tensor) => (this.attrs.normalizeWeights ? undefined : rowNorms(gather(weights, row)));
    const first = mul(labels, scalar(k, 'int32'));
    const scoresOf = (row: Tensor) => sum(mul(this.x, gather(this.w, row)), 1, true);
    if (k === 1) return { score: scoresOf(first), label: labels, row: first, weightNorm: norms(first) };
    const each = Array.from({ length: k }, (_, i) => scoresOf(add(first, scalar(i, 'int32'))));
    const all = concat(each, 1);
    const row = add(first, argMax(all, 1));
    return { score: max(all, 1, true), label: labels, row, weightNorm: norms(row) };
  }
}

function classChunks(classes: number, size: number): Chunk[] {
  const chunks: Chunk[] = [];
  for (let start = 0; start < classes; start += size) chunks.push({ start, size: Math.min(size, classes - start) });
  return chunks;
}

/** [N, size] to [N, size K], all of it at the nearest centre of each class. */
function spread(byClass: Tensor, nearest: Tensor, k: number): Tensor {
  const at = equal(expandDims(nearest, 2), reshape(range(0, k, 1, 'int32'), [1, 1, k]));
  return reshape(where(at, expandDims(byClass, 2), 0), [byClass.shape[0] as number, -1]);
}

/** [N, size K]: a column's value at each sample's own centre, 0 elsewhere. */
function spreadOwn({ onTarget, nearest }: ChunkScores, column: Tensor, k: number): Tensor {
  const own = mul(cast(onTarget, 'float32'), column);
  return nearest ? spread(own, nearest, k) : own;
}
