import {
  add,
  argMax,
  cast,
  div,
  exp,
  fill,
  gather,
  greater,
  log,
  logicalAnd,
  logicalNot,
  max,
  maximum,
  mul,
  neg,
  notEqual,
  ones,
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
  zerosLike,
} from '@tensorflow/tfjs-core';
import {
  DIFFERENTIABLE_INPUTS,
  type MarginSoftmaxAttrs,
  type MarginSoftmaxGradAttrs,
} from '../kernels/kernel-names.js';
import type { MarginSoftmaxExecutor, MarginSoftmaxTensors } from '../kernels/margin-softmax-gradient.js';
import { checkValues } from './check-values.js';
import { CHUNK_ELEMENTS, type Chunk, type ChunkScores, ClassScores } from './class-scores.js';
import { negativeLogits } from './negative-logits.js';
import type { MarginColumns } from './own-angle.js';
import { softplus } from './softplus.js';
import { type TargetLogit, targetLogit } from './target-logit.js';

/** Below every logit, and finite so that its differences are. */
const NO_LOGIT = -1e30;

/**
 * Margin softmax and its family in plain TensorFlow.js ops: the executor of WebGL and WebGPU, of Node without the binary,
 * and of what a native kernel refuses. The gradients are spelt out, so that N x C exists one chunk of classes at a time.
 *
 * As in the native kernels, the sum over the other classes is kept apart from the target: loss = softplus(u) and
 * 1 - p_y = sigmoid(u) with u = log(sum of the others) - z_y keep their digits when p_y is nearly 1.
 *
 * All products are float32 and nothing is left out, whatever `precision` and `gradientTolerance` permit.
 *
 * @param chunkElements - Upper bound for the elements of one N x (chunk of C K) array.
 */
export function composedExecutor(chunkElements: number = CHUNK_ELEMENTS): MarginSoftmaxExecutor {
  return {
    marginSoftmax: (tensors, attrs) =>
      tidy(() => {
        if (tensors.labels.size === 0) return emptyBatch(tensors, attrs);
        const pass = prepare(tensors, attrs, chunkElements);
        const rows = attrs.binary ? binaryRows(pass, attrs.binary) : softmaxRows(pass);
        const share = shareOf(pass, attrs);
        const weighted = mul(rows.losses, pass.weight);
        const loss = attrs.reduction === 'none' ? squeeze(weighted, [1]) : sum(mul(weighted, share));
        const outputs = [loss, squeeze(pass.cosine, [1]), rows.prediction];
        return attrs.withGradients ? [...outputs, ...gradients(pass, rows, share)] : outputs;
      }),
    marginSoftmaxGrad: (tensors, lossGradient, attrs) =>
      tidy(() => {
        if (tensors.labels.size === 0) return emptyBatch(tensors, { ...attrs, withGradients: true }).slice(3);
        const pass = prepare(tensors, attrs, chunkElements);
        const rows = attrs.binary ? binaryRows(pass, attrs.binary) : softmaxRows(pass);
        return gradients(pass, rows, mul(shareOf(pass, attrs), column(lossGradient)));
      }),
  };
}

/** N = 0, which several backends' reductions do not survive. */
function emptyBatch(tensors: MarginSoftmaxTensors, { reduction, withGradients }: MarginSoftmaxAttrs): Tensor[] {
  const outputs: Tensor[] = [zeros(reduction === 'none' ? [0] : []), zeros([0]), zeros([0], 'int32')];
  if (!withGradients) return outputs;
  const given = DIFFERENTIABLE_INPUTS.flatMap((name) => tensors[name] ?? []);
  return [...outputs, ...given.map((tensor) => zerosLike(tensor))];
}

/** What both forms start from; columns are [N, 1]. */
interface Pass {
  tensors: MarginSoftmaxTensors;
  attrs: MarginSoftmaxGradAttrs;
  scores: ClassScores;
  margins: MarginColumns;
  target: TargetLogit;
  /** z_y, without the binary form's bias. */
  targetLogit: Tensor;
  /** q: the product of the norms that are not normalised away; undefined for 1. */
  norms: Tensor | undefined;
  cosine: Tensor;
  /** The sample's weight, 0 where ignored; and 1 or 0. */
  weight: Tensor;
  counted: Tensor;
}

/** What a form makes of the rows. */
interface Rows {
  /** [N, 1], not weighted. */
  losses: Tensor;
  /** [N] int32. */
  prediction: Tensor;
  /** d loss / d z_y, [N, 1]. */
  dTarget: Tensor;
  /** d loss / d z_c of the other classes, [N, size]; whatever at a sample's own. */
  dOthers: (logits: Tensor, counts: Tensor | undefined) => Tensor;
}

function prepare(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxGradAttrs, chunkElements: number): Pass {
  checkTensorValues(tensors, attrs);
  const scores = new ClassScores(tensors, attrs, chunkElements);
  const counted = cast(notEqual(scores.labels, scalar(attrs.ignoreLabel, 'int32')), 'float32');
  const { embeddingNorm, own } = scores;
  const norms =
    embeddingNorm && own.weightNorm ? mul(embeddingNorm, own.weightNorm) : (embeddingNorm ?? own.weightNorm);
  const score = mul(own.score, counted);
  const cosine = norms ? div(score, where(greater(norms, 0), norms, 1)) : score;
  const margins = marginColumns(tensors, attrs);
  const target = targetLogit(cosine, () => scores.ownAngle(), margins, attrs);
  const logit = mul(attrs.scale, norms ? mul(norms, target.value) : target.value);
  const { bias, sampleWeights } = tensors;
  const weight = sampleWeights ? mul(column(sampleWeights), counted) : counted;
  const targetBias = bias && !attrs.binary ? column(gather(bias, own.label)) : 0;
  return {
    ...{ tensors, attrs, scores, margins, target, norms, cosine, weight, counted },
    targetLogit: add(logit, targetBias),
  };
}

function checkTensorValues(tensors: MarginSoftmaxTensors, { ignoreLabel, subCenters }: MarginSoftmaxGradAttrs): void {
  const { embeddings, weights, labels, bias, sampleWeights } = tensors;
  const terms = MARGIN_TERMS.flatMap(([term, name]) => {
    const values = tensors[name];
    return values ? [{ term, values }] : [];
  });
  checkValues({
    floats: { embeddings, weights, ...(bias && { bias }), ...(sampleWeights && { sampleWeights }) },
    ...{ labels, ignoreLabel, weights, margins: terms },
    classes: (weights.shape[0] as number) / subCenters,
  });
}

function biasOf(bias: Tensor, { start, size }: Chunk): Tensor {
  return reshape(slice(bias, [start], [size]), [1, size]);
}

function marginColumns(tensors: MarginSoftmaxTensors, attrs: MarginSoftmaxGradAttrs): MarginColumns {
  const { sampleM1, sampleM2, sampleM3 } = tensors;
  return {
    m1: sampleM1 ? column(sampleM1) : attrs.m1,
    m2: sampleM2 ? column(sampleM2) : attrs.m2,
    m3: sampleM3 ? column(sampleM3) : attrs.m3,
  };
}

/** The logits of the other classes and how they follow the scores; whatever at a sample's own class. */
function otherLogits(pass: Pass, chunk: Chunk, { scores }: ChunkScores) {
  const { attrs, tensors, target, margins } = pass;
  const { value, slope, counts } = negativeLogits(scores, target.value, { ...attrs, m3: margins.m3 });
  const logits = mul(attrs.scale, value);
  const { bias } = tensors;
  return { logits: bias && !attrs.binary ? add(logits, biasOf(bias, chunk)) : logits, slope, counts };
}

/** `fold` over the chunks of classes, whose tensors are handed on from chunk to chunk; and the largest logit's class. */
function overChunks<T extends Record<string, Tensor>>(
  pass: Pass,
  start: T,
  fold: (state: T, logits: Tensor, counts: Tensor) => T,
): T & Prediction {
  const batch = pass.counted.shape[0] as number;
  let state: T & Prediction = { ...start, best: fill([batch], NO_LOGIT), prediction: zeros([batch], 'int32') };
  for (const chunk of pass.scores.chunks) {
    const next = tidy(() => {
      const scores = pass.scores.chunk(chunk);
      const { logits, counts } = otherLogits(pass, chunk, scores);
      const other = logicalNot(scores.onTarget);
      const folded = fold(state, logits, counts ? logicalAnd(other, counts) : other);
      return { ...folded, ...predict(pass, chunk, scores, state) };
    });
    for (const tensor of Object.values(state)) tensor.dispose();
    state = next;
  }
  return state;
}

/** The class of the largest logit so far, without margin, curve or filter, [N] int32, and that logit. */
interface Prediction {
  best: Tensor;
  prediction: Tensor;
}

function predict(pass: Pass, chunk: Chunk, { scores }: ChunkScores, { best, prediction }: Prediction): Prediction {
  const { attrs, tensors } = pass;
  const { bias } = tensors;
  const logits = bias && !attrs.binary ? add(mul(attrs.scale, scores), biasOf(bias, chunk)) : scores;
  const highest = max(logits, 1);
  const here = add(argMax(logits, 1), scalar(chunk.start, 'int32'));
  return { best: maximum(best, highest), prediction: where(greater(highest, best), here, prediction) };
}

/** loss = softplus(log(sum of the others' e^z) - z_y), and label smoothing's part. */
function softmaxRows(pass: Pass): Rows {
  const batch = pass.counted.shape[0] as number;
  const start = {
    highest: fill([batch, 1], NO_LOGIT) as Tensor,
    others: zeros([batch, 1]) as Tensor,
    total: zeros([batch, 1]) as Tensor,
    number: zeros([batch, 1]) as Tensor,
  };
  const smoothing = pass.attrs.labelSmoothing;
  const { highest, others, total, number, prediction } = overChunks(pass, start, (state, logits, counts) => {
    const highest = maximum(state.highest, max(where(counts, logits, NO_LOGIT), 1, true));
    const terms = where(counts, exp(sub(logits, highest)), 0);
    return {
      highest,
      others: add(mul(state.others, exp(sub(state.highest, highest))), sum(terms, 1, true)),
      total: smoothing ? add(state.total, sum(where(counts, logits, 0), 1, true)) : add(state.total, 0),
      number: smoothing ? add(state.number, sum(cast(counts, 'float32'), 1, true)) : add(state.number, 0),
    };
  });
  const excess = add(sub(highest, pass.targetLogit), log(others));
  const miss = sigmoid(excess);
  const perOther = div(miss, maximum(others, 1));
  const exponentials = (logits: Tensor) => mul(perOther, exp(sub(logits, highest)));
  if (!smoothing) {
    return {
      prediction,
      losses: softplus(excess),
      dTarget: neg(miss),
      dOthers: (logits, counts) => masked(exponentials(logits), counts),
    };
  }
  // L = lse - (1 - e) z_y - e mean z = softplus(u) + e (z_y - mean z), the mean over the classes that count.
  const classes = add(number, 1);
  const mean = div(add(total, pass.targetLogit), classes);
  const each = div(smoothing, classes);
  return {
    prediction,
    losses: add(softplus(excess), mul(smoothing, sub(pass.targetLogit, mean))),
    dTarget: add(neg(miss), sub(smoothing, each)),
    dOthers: (logits, counts) => masked(sub(exponentials(logits), each), counts),
  };
}

/** loss = p softplus(-z_y) + n sum softplus(z_c). */
function binaryRows(
  pass: Pass,
  { positiveWeight, negativeWeight, negativeMargin, biasSign }: NonNullable<MarginSoftmaxGradAttrs['binary']>,
): Rows {
  const bias = mul(biasSign, pass.tensors.bias ?? 0);
  const shift = add(pass.attrs.scale * negativeMargin, bias);
  const batch = pass.counted.shape[0] as number;
  const { total, prediction } = overChunks(
    pass,
    { total: zeros([batch, 1]) as Tensor },
    ({ total }, logits, counts) => ({
      total: add(total, sum(where(counts, softplus(add(logits, shift)), 0), 1, true)),
    }),
  );
  const own = neg(add(pass.targetLogit, bias));
  return {
    prediction,
    losses: add(mul(positiveWeight, softplus(own)), mul(negativeWeight, total)),
    dTarget: mul(-positiveWeight, sigmoid(own)),
    dOthers: (logits, counts) => masked(mul(negativeWeight, sigmoid(add(logits, shift))), counts),
  };
}

function masked(gradient: Tensor, counts: Tensor | undefined): Tensor {
  return counts ? where(counts, gradient, 0) : gradient;
}

/** d reduced loss / d (weighted loss of a sample), [N, 1]. */
function shareOf(pass: Pass, { reduction }: MarginSoftmaxGradAttrs): Tensor {
  const one = ones([pass.counted.shape[0] as number, 1]);
  if (reduction !== 'mean') return one;
  return div(one, maximum(sum(cast(notEqual(pass.weight, 0), 'float32')), 1));
}

/** By every input that is given but the labels, in the order of `DIFFERENTIABLE_INPUTS`. */
function gradients(pass: Pass, rows: Rows, perLoss: Tensor): Tensor[] {
  const { attrs, tensors, target, norms, cosine, scores } = pass;
  const upstream = mul(pass.weight, perLoss);
  const dTargetLogit = mul(upstream, rows.dTarget);
  const dTargetScore = mul(mul(attrs.scale, target.slope), dTargetLogit);
  const dNorms = norms && mul(mul(attrs.scale, dTargetLogit), sub(target.value, mul(cosine, target.slope)));
  const { embeddings, weights, logits } = scores.backward((chunk, chunkScores) => {
    const { logits, slope, counts } = otherLogits(pass, chunk, chunkScores);
    const dLogits = mul(upstream, rows.dOthers(logits, counts));
    const dOthers = mul(attrs.scale, slope ? mul(dLogits, slope) : dLogits);
    return {
      scores: where(chunkScores.onTarget, dTargetScore, dOthers),
      logits: tensors.bias && where(chunkScores.onTarget, dTargetLogit, dLogits),
    };
  }, dNorms);
  const all = [embeddings, weights];
  if (tensors.sampleWeights) all.push(squeeze(mul(mul(rows.losses, pass.counted), perLoss), [1]));
  all.push(...marginGradients(pass, dTargetLogit));
  if (tensors.bias) all.push(attrs.binary ? mul(attrs.binary.biasSign, sum(logits)) : logits);
  return all;
}

const MARGIN_TERMS = [
  ['m1', 'sampleM1'],
  ['m2', 'sampleM2'],
  ['m3', 'sampleM3'],
] as const;

function marginGradients({ tensors, attrs, target, norms }: Pass, dTargetLogit: Tensor): Tensor[] {
  const scale = norms ? mul(attrs.scale, norms) : attrs.scale;
  return MARGIN_TERMS.filter(([, name]) => tensors[name]).map(([term]) =>
    squeeze(mul(mul(scale, dTargetLogit), target.byMargin[term]), [1]),
  );
}

function column(tensor: Tensor): Tensor {
  return reshape(tensor, [-1, 1]);
}
