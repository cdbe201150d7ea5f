// What each loss over classes costs against CosFace on the fused kernel: loss and both gradients through
// `marginSoftmax` of cosface/native.
//
//   node bench/loss/family-costs.mjs [--batch 512] [--classes 10575] [--dim 512] [--turns 15] [--threads 0]
import { marginSoftmax } from '../../dist/native/index.js';
import { numberOptions } from '../number-options.mjs';
import { medianTimes, printTimes } from './in-turns.mjs';

const { batch, classes, dim, turns, threads } = numberOptions({
  batch: 512,
  classes: 10575,
  dim: 512,
  turns: 15,
  threads: 0,
});

/** Nearly normal: the sum of three uniform numbers. */
const random = (length, size = 1) =>
  Float32Array.from({ length }, () => (Math.random() + Math.random() + Math.random() - 1.5) * 2 * size);

const plain = {
  embeddings: random(batch * dim),
  weights: random(classes * dim),
  labels: Int32Array.from({ length: batch }, () => Math.floor(Math.random() * classes)),
  ...{ dim, scale: 64, m3: 0, gradients: true, ...(threads > 0 && { threads }) },
};
const short = random(classes * dim, 1 / Math.sqrt(dim));
const kept = { normalizeEmbeddings: false, normalizeWeights: false, scale: 1, weights: short };
const binary = { positiveWeight: 1, negativeWeight: 1, negativeMargin: 0, biasSign: -1 };
const losses = {
  CosFace: { m3: 0.35 },
  NormFace: {},
  ArcFace: { m2: 0.5 },
  'ArcFace, fallback hard': { m2: 0.5, fallback: 'hard' },
  'SphereFace, lambda 5': { m1: 4, annealing: 5 },
  'AdaFace, MagFace (own margins)': { sampleM2: random(batch, 0.1), sampleM3: random(batch, 0.1) },
  CurricularFace: { m2: 0.5, negatives: { kind: 'curricular', t: 0.3 } },
  'MV-Softmax': { m3: 0.35, negatives: { kind: 'mv-am', t: 0.2 } },
  'inter-class filter': { m3: 0.35, interclassFilter: 0.4 },
  'label smoothing': { m3: 0.35, labelSmoothing: 0.1 },
  'Circle, s = 256': { scale: 256, m3: 0.25, curve: { kind: 'circle' } },
  SphereFace2: {
    ...{ scale: 40, m3: 0.4, curve: { kind: 'power', exponent: 3 }, bias: Float32Array.of(-10) },
    binary: { positiveWeight: 0.0175, negativeWeight: 0.0075, negativeMargin: 0.4, biasSign: 1 },
  },
  UniFace: { m3: 0.4, binary, bias: Float32Array.of(Math.log(10 * classes)) },
  'CosFace, features not normalised': { m3: 0.35, normalizeEmbeddings: false, scale: 1 },
  softmax: kept,
  'softmax with bias': { ...kept, bias: new Float32Array(classes) },
  'ArcFace, 3 sub-centres of a third of the classes': { m2: 0.5, subCenters: 3 },
};
/** As many rows of weights as the others have, three for each class. */
const thirds = Math.floor(classes / 3);
const inThirds = {
  weights: plain.weights.subarray(0, thirds * 3 * dim),
  labels: plain.labels.map((label) => Math.min(Math.floor(label / 3), thirds - 1)),
};
const calls = Object.fromEntries(
  Object.entries(losses).map(([name, options]) => {
    const call = { ...plain, ...options, ...(options.subCenters && inThirds) };
    return [name, () => marginSoftmax(call)];
  }),
);
console.log(`${batch} x ${classes} x ${dim}, ${turns} turns\n`);
printTimes(medianTimes(calls, turns), 'CosFace');
