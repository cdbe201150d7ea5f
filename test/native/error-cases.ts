import type { MarginSoftmaxOptions } from '../../src/native/index.js';
import { makeProblem } from './problem.js';

export interface ErrorCase {
  name: string;
  /** Made anew for each call where `options` is a function. */
  options: () => MarginSoftmaxOptions;
  code: string;
  argument?: string;
  index?: number;
  /** Parts that the message must have: what was required, what came. */
  says: string[];
}

// N = 4, C = 5, D = 3.
const valid: MarginSoftmaxOptions = makeProblem({ batch: 4, classes: 5, dim: 3 });

/** The valid options with some changed, among them to what the types forbid. */
function changed(change: Record<string, unknown>): () => MarginSoftmaxOptions {
  return () => ({ ...valid, ...change }) as MarginSoftmaxOptions;
}

function withElement<T extends Float32Array | Int32Array>(array: T, index: number, value: number): T {
  const copy = array.slice() as T;
  copy[index] = value;
  return copy;
}

function detached(): Float32Array {
  const array = valid.embeddings.slice();
  structuredClone(array, { transfer: [array.buffer] });
  return array;
}

const wrongKinds: ErrorCase[] = [
  {
    name: 'embeddings of doubles',
    options: changed({ embeddings: new Float64Array(12) }),
    says: ['a Float64Array', 'a Float32Array'],
  },
  {
    name: 'embeddings as an array',
    options: changed({ embeddings: Array(12).fill(1) }),
    says: ['a plain array', 'Float32Array.from'],
  },
  { name: 'no embeddings', options: changed({ embeddings: undefined }), says: ['undefined', 'a Float32Array'] },
  { name: 'embeddings null', options: changed({ embeddings: null }), says: ['null', 'a Float32Array'] },
  { name: 'a DataView', options: changed({ embeddings: new DataView(new ArrayBuffer(48)) }), says: ['an object'] },
].map((c) => ({ code: 'COSFACE_DTYPE', argument: 'embeddings', ...c }));

const lengths: ErrorCase[] = [
  {
    name: 'a broken row of embeddings',
    argument: 'embeddings',
    options: changed({ embeddings: new Float32Array(13) }),
    says: ['length 13', 'a multiple of dim (3)'],
  },
  {
    name: 'a broken row of weights',
    argument: 'weights',
    options: changed({ weights: new Float32Array(16) }),
    says: ['length 16', 'a multiple of dim (3)'],
  },
  {
    name: 'no class',
    argument: 'weights',
    options: changed({ weights: new Float32Array(0) }),
    says: ['length 0', 'above 0'],
  },
  {
    name: 'a label too few',
    argument: 'labels',
    options: changed({ labels: new Int32Array(3) }),
    says: ['length 3', 'expected 4'],
  },
  {
    name: 'a sample weight too few',
    argument: 'sampleWeights',
    options: changed({ sampleWeights: new Float32Array(3) }),
    says: ['length 3', 'expected 4'],
  },
  {
    name: 'a sample margin too many',
    argument: 'sampleMargins',
    options: changed({ sampleMargins: new Float32Array(5) }),
    says: ['length 5', 'expected 4'],
  },
  {
    name: 'a bias too few',
    argument: 'bias',
    options: changed({ bias: new Float32Array(4) }),
    says: ['length 4', 'expected 5, one number for each class'],
  },
  {
    name: 'a bias for each class of a binary form',
    argument: 'bias',
    options: changed({ bias: new Float32Array(5), binary: {} }),
    says: ['length 5', 'expected 1, one number for all classes'],
  },
  {
    name: 'rows that are no multiple of subCenters',
    argument: 'weights',
    options: changed({ subCenters: 2 }),
    says: ['length 15', 'dim (3) times subCenters (2)'],
  },
  {
    name: 'a margin too few',
    argument: 'sampleM2',
    options: changed({ sampleM2: new Float32Array(3) }),
    says: ['length 3', 'expected 4'],
  },
  ...[0, -3, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 24 + 1, 2 ** 60, 1e300].map((dim) => ({
    name: `dim ${dim}`,
    argument: 'dim',
    options: changed({ dim }),
    says: ['a whole number in [1, 16777216]'],
  })),
  { name: 'no dim', argument: 'dim', options: changed({ dim: undefined }), says: ['undefined', 'whole number'] },
].map((c) => ({ code: 'COSFACE_SHAPE', ...c }));

const options: ErrorCase[] = [
  ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY].map((scale) => ({
    name: `scale ${scale}`,
    argument: 'scale',
    options: changed({ scale }),
    says: ['scale is', 'expected'],
  })),
  ...[0, -1, 16.1, Number.NaN].map((m1) => ({
    name: `m1 ${m1}`,
    argument: 'm1',
    options: changed({ m1 }),
    says: ['(0, 16]'],
  })),
  ...[-0.1, 3.2, Number.NaN].map((m2) => ({
    name: `m2 ${m2}`,
    argument: 'm2',
    options: changed({ m2 }),
    says: ['[0, pi]'],
  })),
  ...[-0.1, 2.1, Number.NaN].map((m3) => ({
    name: `m3 ${m3}`,
    argument: 'm3',
    options: changed({ m3 }),
    says: ['[0, 2]'],
  })),
  ...[-1e-9, 1, 1.5, Number.NaN].map((gradientTolerance) => ({
    name: `gradientTolerance ${gradientTolerance}`,
    argument: 'gradientTolerance',
    options: changed({ gradientTolerance }),
    says: ['gradientTolerance is', '[0, 1)', '0 leaves out nothing'],
  })),
  {
    name: 'gradientTolerance as text',
    argument: 'gradientTolerance',
    options: changed({ gradientTolerance: '0' }),
    says: ['a string', 'a number'],
  },
  ...['fp16', 'BF16', ''].map((precision) => ({
    name: `precision '${precision}'`,
    argument: 'precision',
    options: changed({ precision }),
    says: [`'${precision}'`, "'fp32', 'bf16-gradients', 'bf16'"],
  })),
  { name: 'precision 16', argument: 'precision', options: changed({ precision: 16 }), says: ['the number 16', 'bf16'] },
  { name: 'precision null', argument: 'precision', options: changed({ precision: null }), says: ['null', 'bf16'] },
  { name: 'scale as text', argument: 'scale', options: changed({ scale: '64' }), says: ['a string', 'a number'] },
  { name: 'm3 null', argument: 'm3', options: changed({ m3: null }), says: ['null', 'a number'] },
  { name: 'm2 as an object', argument: 'm2', options: changed({ m2: {} }), says: ['an object', 'a number'] },
  {
    name: 'a broken ignoreLabel',
    argument: 'ignoreLabel',
    options: changed({ ignoreLabel: 0.5 }),
    says: ['0.5', 'whole number'],
  },
  {
    name: 'an ignoreLabel too large',
    argument: 'ignoreLabel',
    options: changed({ ignoreLabel: 2 ** 31 }),
    says: ['2147483647'],
  },
  { name: 'threads -1', argument: 'threads', options: changed({ threads: -1 }), says: ['-1', '[0, 1024]'] },
  { name: 'threads 1025', argument: 'threads', options: changed({ threads: 1025 }), says: ['1025', '[0, 1024]'] },
  {
    name: 'threads NaN',
    argument: 'threads',
    options: changed({ threads: Number.NaN }),
    says: ['NaN', 'whole number'],
  },
  { name: 'workspaceBytes -1', argument: 'workspaceBytes', options: changed({ workspaceBytes: -1 }), says: ['-1'] },
  {
    name: 'workspaceBytes 1e300',
    argument: 'workspaceBytes',
    options: changed({ workspaceBytes: 1e300 }),
    says: ['1e+300'],
  },
  { name: 'gradients 1', argument: 'gradients', options: changed({ gradients: 1 }), says: ['1', 'true or false'] },
  ...[
    { fallback: 'soft', says: ["'soft'", "'continuous', 'none', 'easy', 'hard'"] },
    { annealing: -1, says: ['-1', '[0, 1e+06]'] },
    { annealing: '1', says: ['a string', 'a number'] },
    { normalizeEmbeddings: 0, says: ['the number 0', 'a boolean'] },
    { normalizeWeights: null, says: ['null', 'a boolean'] },
    { labelSmoothing: 1, says: ['1', '[0, 1)'] },
    { interclassFilter: -1, says: ['-1', '(-1, 1]'] },
    { subCenters: 0, says: ['0', '[1, 1024]'] },
    { subCenters: 1.5, says: ['1.5', 'whole number'] },
    { gradient: 'fast', says: ["'fast'", "'exact', 'detached'"] },
  ].map(({ says, ...change }) => ({
    name: `family: ${JSON.stringify(change)}`,
    argument: Object.keys(change)[0] as string,
    options: changed(change),
    says,
  })),
  ...[
    { negatives: {}, argument: 'negatives.kind', says: ['mv-arc'] },
    { negatives: { kind: 'plain' }, argument: 'negatives.kind', says: ["'plain'", "'mv-am'"] },
    { negatives: { kind: 'curricular', t: 2 }, argument: 'negatives.t', says: ['2', '[-1, 1]'] },
    { negatives: { kind: 'mv-am', T: 1 }, argument: 'T', says: ['no option of negatives', 'kind, t'] },
    { curve: { kind: 'square' }, argument: 'curve.kind', says: ["'square'", "'power'"] },
    { curve: { kind: 'power', exponent: 0.5 }, argument: 'curve.exponent', says: ['0.5', '[1, 16]'] },
    { binary: { positiveWeight: -1 }, argument: 'positiveWeight', says: ['-1'] },
    { binary: { biasSign: 0 }, argument: 'biasSign', says: ['0', '1 or -1'] },
    { binary: {}, labelSmoothing: 0.1, argument: 'labelSmoothing', says: ['binary form'] },
    { interclassFilter: 0.3, normalizeWeights: false, argument: 'interclassFilter', says: ['Normalise both'] },
    {
      sampleM3: new Float32Array(4),
      sampleMargins: new Float32Array(4),
      argument: 'sampleMargins',
      says: ['sampleM3 are the same'],
    },
  ].map(({ argument, says, ...change }) => ({
    name: `family: ${JSON.stringify(change)}`,
    argument,
    options: changed(change),
    says,
  })),
  { name: 'sampleGradients 1', argument: 'sampleGradients', options: changed({ sampleGradients: 1 }), says: ['1'] },
  {
    name: 'a misspelt name',
    argument: 'margin',
    options: changed({ margin: 0.35 }),
    says: ['margin is no option', 'm3'],
  },
  {
    name: 'an output handed in',
    argument: 'loss',
    options: changed({ loss: new Float32Array(4) }),
    says: ['loss is no option'],
  },
  {
    name: 'a device that is none',
    argument: 'device',
    options: changed({ device: 'gpu' }),
    says: ["'gpu'", "'auto', 'cpu', 'cuda'"],
  },
].map((c) => ({ code: 'COSFACE_OPTION_RANGE', ...c }));

const classIds: ErrorCase[] = [
  { name: 'no class id', ids: [], code: 'COSFACE_SHAPE', says: ['length 0', 'at least 1'] },
  { name: 'more class ids than classes', ids: [0, 1, 2, 3, 4, 4], code: 'COSFACE_SHAPE', says: ['is 6', '[1, 5]'] },
  { name: 'falling class ids', ids: [0, 2, 1], index: 2, says: ['classIds[2] is 1', 'Sort them'] },
  { name: 'a class id twice', ids: [0, 0], index: 1, says: ['classIds[1] is 0', 'doubles'] },
  { name: 'a class id out of range', ids: [0, 5], index: 1, says: ['classIds[1] is 5', '[0, 5)'] },
].map(({ ids, ...c }) => ({
  code: 'COSFACE_OPTION_RANGE',
  argument: 'classIds',
  options: changed({ classIds: Int32Array.from(ids) }),
  ...c,
}));

const missingClass = [0, 1, 2, 3, 4].find((c) => c !== valid.labels[0])!;

const values: ErrorCase[] = [
  {
    name: 'a label that is not sampled',
    argument: 'labels',
    code: 'COSFACE_LABEL_RANGE',
    index: 0,
    options: changed({ classIds: Int32Array.of(missingClass) }),
    says: [`labels[0] is ${valid.labels[0]}`, 'not in classIds', 'sampleClasses()'],
  },
  {
    name: 'class ids of another kind',
    argument: 'classIds',
    code: 'COSFACE_DTYPE',
    options: changed({ classIds: new Float32Array(2) }),
    says: ['a Float32Array', 'an Int32Array'],
  },
  ...[5, -2, 2 ** 31 - 1, -(2 ** 31)].map((label) => ({
    name: `label ${label}`,
    code: 'COSFACE_LABEL_RANGE',
    argument: 'labels',
    index: 2,
    options: changed({ labels: withElement(valid.labels, 2, label) }),
    says: [`labels[2] is ${label}`, '[0, 5)', 'weights has shape [5, 3]'],
  })),
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => ({
    name: `${value} in embeddings`,
    code: 'COSFACE_NOT_FINITE',
    argument: 'embeddings',
    index: 7,
    options: changed({ embeddings: withElement(valid.embeddings, 7, value) }),
    says: [`embeddings[2, 1] is ${value}`],
  })),
  {
    name: 'NaN in weights',
    code: 'COSFACE_NOT_FINITE',
    argument: 'weights',
    index: 14,
    options: changed({ weights: withElement(valid.weights, 14, Number.NaN) }),
    says: ['weights[4, 2] is NaN'],
  },
  {
    name: 'NaN in sampleWeights',
    code: 'COSFACE_NOT_FINITE',
    argument: 'sampleWeights',
    index: 1,
    options: changed({ sampleWeights: withElement(new Float32Array(4), 1, Number.NaN) }),
    says: ['sampleWeights[1] is NaN'],
  },
  ...[2.5, -2.5, Number.NaN].map((margin) => ({
    name: `sample margin ${margin}`,
    code: 'COSFACE_MARGIN_RANGE',
    argument: 'sampleMargins',
    index: 3,
    options: changed({ sampleMargins: withElement(new Float32Array(4), 3, margin) }),
    says: ['sampleMargins[3] is', '[-2, 2]', 'm3'],
  })),
  {
    name: 'an angle out of range',
    code: 'COSFACE_MARGIN_RANGE',
    argument: 'sampleMargins',
    index: 1,
    options: changed({ sampleM2: withElement(new Float32Array(4), 1, 4) }),
    says: ['sampleMargins[1] is 4', 'm2'],
  },
];

const memory: ErrorCase[] = [
  {
    name: 'a detached buffer',
    code: 'COSFACE_DETACHED',
    argument: 'embeddings',
    options: () => ({ ...valid, embeddings: detached() }),
    says: ['detached ArrayBuffer'],
  },
  {
    name: 'a shared buffer',
    code: 'COSFACE_SHARED_BUFFER',
    argument: 'weights',
    options: changed({ weights: new Float32Array(new SharedArrayBuffer(60)) }),
    says: ['SharedArrayBuffer', 'array.slice()'],
  },
  {
    name: 'a shared WebAssembly.Memory',
    code: 'COSFACE_SHARED_BUFFER',
    argument: 'weights',
    options: changed({
      weights: new Float32Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, 0, 15),
    }),
    says: ['SharedArrayBuffer'],
  },
];

const rest: ErrorCase[] = [
  {
    name: 'negatives as text',
    code: 'COSFACE_DTYPE',
    argument: 'negatives',
    options: changed({ negatives: 'mv-am' }),
    says: ['a string', 'an object'],
  },
  {
    name: 'what no fused kernel combines',
    code: 'COSFACE_UNSUPPORTED',
    argument: 'labelSmoothing',
    options: changed({ labelSmoothing: 0.1, interclassFilter: 0.3 }),
    says: ['labelSmoothing cannot be combined with interclassFilter'],
  },
  {
    name: 'no options',
    code: 'COSFACE_DTYPE',
    argument: 'options',
    options: () => undefined as never,
    says: ['undefined', 'an object'],
  },
  {
    name: 'a number for options',
    code: 'COSFACE_DTYPE',
    argument: 'options',
    options: () => 3 as never,
    says: ['3', 'an object'],
  },
  {
    name: 'labels as floats',
    code: 'COSFACE_DTYPE',
    argument: 'labels',
    options: changed({ labels: new Float32Array(4) }),
    says: ['a Float32Array', 'an Int32Array'],
  },
  {
    name: 'unsigned labels',
    code: 'COSFACE_DTYPE',
    argument: 'labels',
    options: changed({ labels: new Uint32Array(4) }),
    says: ['a Uint32Array', 'an Int32Array'],
  },
  {
    name: 'weights of integers',
    code: 'COSFACE_DTYPE',
    argument: 'weights',
    options: changed({ weights: new Int32Array(15) }),
    says: ['an Int32Array', 'a Float32Array'],
  },
  {
    name: 'sampleWeights as an array',
    code: 'COSFACE_DTYPE',
    argument: 'sampleWeights',
    options: changed({ sampleWeights: [1, 1, 1, 1] }),
    says: ['a plain array'],
  },
  {
    name: 'device cuda',
    code: 'COSFACE_DEVICE_UNAVAILABLE',
    argument: 'device',
    options: changed({ device: 'cuda' }),
    says: ['device asks for a GPU'],
  },
];

/** Every way to call marginSoftmax wrongly that this project knows, and what it must answer. */
export const ERROR_CASES: ErrorCase[] = [
  ...wrongKinds,
  ...lengths,
  ...options,
  ...classIds,
  ...values,
  ...memory,
  ...rest,
];
