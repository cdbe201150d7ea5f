import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { arcFaceLoss } from '../../src/loss/arcface-loss.js';
import { cosFaceLoss } from '../../src/loss/cosface-loss.js';
import { marginSoftmax } from '../../src/loss/margin-softmax.js';
import { marginSoftmaxLoss } from '../../src/loss/margin-softmax-loss.js';
import { normFaceLoss } from '../../src/loss/normface-loss.js';
import { sphereFaceLoss } from '../../src/loss/sphereface-loss.js';
import type { Labels } from '../../src/loss/types.js';
import { CosFaceError } from '../../src/native/errors.js';
import '../problem.js';

type Loss = (x: tf.Tensor, w: tf.Tensor, y: Labels, options: object) => unknown;
type Anything = ReturnType<typeof JSON.parse>;

/** One call that is right but for what `change` makes of it; the error, and the number of tensors it left behind. */
function attempt(change: (right: Record<string, Anything>) => Record<string, Anything>, loss: Loss = cosFaceLoss) {
  const before = tf.memory();
  const right = {
    x: tf.ones([3, 4]),
    w: tf.ones([5, 4]),
    y: tf.tensor1d([0, 1, 4], 'int32'),
    options: {},
  };
  const wrong = { ...right, ...change(right) };
  let error: unknown;
  try {
    loss(wrong.x as tf.Tensor, wrong.w as tf.Tensor, wrong.y as Labels, wrong.options as object);
  } catch (caught) {
    error = caught;
  }
  tf.dispose([right, wrong]);
  const after = tf.memory();
  return {
    error: error as CosFaceError,
    left: [after.numTensors - before.numTensors, after.numDataBuffers - before.numDataBuffers],
  };
}

type Case = [
  what: string,
  change: (right: Record<string, Anything>) => object,
  code: string,
  argument: string,
  words: string,
];

const TENSORS: Case[] = [
  ['an array for embeddings', () => ({ x: [[1, 2]] }), 'COSFACE_DTYPE', 'embeddings', 'tf.tensor2d()'],
  ['nothing for weights', () => ({ w: undefined }), 'COSFACE_DTYPE', 'weights', 'is undefined'],
  ['embeddings of rank 3', () => ({ x: tf.ones([3, 2, 2]) }), 'COSFACE_RANK', 'embeddings', 'shape [3,2,2]'],
  ['weights of rank 1', () => ({ w: tf.ones([4]) }), 'COSFACE_RANK', 'weights', 'expected rank 2'],
  [
    'int32 embeddings',
    () => ({ x: tf.ones([3, 4], 'int32') }),
    'COSFACE_DTYPE',
    'embeddings',
    "tf.cast(tensor, 'float32')",
  ],
  ['weights of another D', () => ({ w: tf.ones([5, 3]) }), 'COSFACE_SHAPE', 'weights', 'expected [C, 4]'],
  ['no class at all', () => ({ w: tf.ones([0, 4]) }), 'COSFACE_SHAPE', 'weights', 'at least one class'],
  ['no column', () => ({ x: tf.ones([3, 0]), w: tf.ones([5, 0]) }), 'COSFACE_SHAPE', 'embeddings', 'one column'],
  ['one-hot labels', () => ({ y: tf.ones([3, 5], 'int32') }), 'COSFACE_RANK', 'labels', 'not one-hot'],
  ['too few labels', () => ({ y: tf.ones([2], 'int32') }), 'COSFACE_SHAPE', 'labels', 'expected 3'],
  ['float32 labels', () => ({ y: tf.ones([3]) }), 'COSFACE_DTYPE', 'labels', "tf.cast(labels, 'int32')"],
  ['an array of too many labels', () => ({ y: [0, 1, 2, 3] }), 'COSFACE_SHAPE', 'labels', 'has 4 elements'],
  ['a label between two classes', () => ({ y: [0, 1.5, 2] }), 'COSFACE_LABEL_RANGE', 'labels', 'labels[1] is 1.5'],
  ['a label beyond int32', () => ({ y: [0, 1, 2 ** 31] }), 'COSFACE_LABEL_RANGE', 'labels', 'labels[2]'],
  ['a label of NaN', () => ({ y: [Number.NaN, 1, 2] }), 'COSFACE_LABEL_RANGE', 'labels', 'labels[0] is NaN'],
  ['a label of C', () => ({ y: [0, 5, 2] }), 'COSFACE_LABEL_RANGE', 'labels', 'labels[1] is 5'],
  ['words for labels', () => ({ y: 'cat' }), 'COSFACE_DTYPE', 'labels', 'array of class indices'],
  ['no labels', () => ({ y: undefined }), 'COSFACE_DTYPE', 'labels', 'undefined'],
  ['NaN embeddings', () => ({ x: tf.fill([3, 4], Number.NaN) }), 'COSFACE_NOT_FINITE', 'embeddings', '[0, 0] is NaN'],
  [
    'int32 sample weights',
    () => ({ options: { sampleWeights: tf.ones([3], 'int32') } }),
    'COSFACE_DTYPE',
    'sampleWeights',
    'float32',
  ],
  [
    'two sample weights',
    () => ({ y: [0, 1, 2], options: { sampleWeights: [1, 1] } }),
    'COSFACE_SHAPE',
    'sampleWeights',
    'has 2 elements',
  ],
  [
    'a column of margins',
    () => ({ options: { sampleMargins: tf.ones([3, 1]) } }),
    'COSFACE_RANK',
    'sampleMargins',
    'reshape',
  ],
  [
    'a margin for each that is too large',
    () => ({ options: { sampleMargins: [0, 3, 0] } }),
    'COSFACE_MARGIN_RANGE',
    'sampleMargins',
    'sampleMargins[1] is 3',
  ],
  [
    'an infinite weight',
    () => ({ options: { sampleWeights: [1, 1, 1 / 0] } }),
    'COSFACE_NOT_FINITE',
    'sampleWeights',
    '[2]',
  ],
];

/** What is not a number in a plain array, and what is no array though it is not absent. */
for (const name of ['labels', 'sampleWeights', 'sampleMargins']) {
  const give = (value: unknown) => (name === 'labels' ? { y: value } : { y: [0, 1, 2], options: { [name]: value } });
  for (const [value, words] of [
    ['1', "'1'"],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [[1], 'a plain array'],
  ] as const) {
    const what = `${name} with ${words} among them`;
    TENSORS.push([what, () => give([0, value, 0]), 'COSFACE_DTYPE', name, `${name}[1] is ${words}, expected a number`]);
  }
  for (const value of [0, false, '']) {
    TENSORS.push([`${name} of ${JSON.stringify(value)}`, () => give(value), 'COSFACE_DTYPE', name, `${name} is `]);
  }
}

function disposed(name: string): Case {
  const change = (right: Record<string, Anything>) => {
    (right[name] as tf.Tensor).dispose();
    return {};
  };
  const argument = { x: 'embeddings', w: 'weights', y: 'labels' }[name] as string;
  return [`disposed ${argument}`, change, 'COSFACE_DISPOSED', argument, 'tf.keep'];
}

const OPTIONS: Case[] = (
  [
    ['scale', 0, '(0, 1000000]'],
    ['scale', Number.NaN, 'NaN'],
    ['scale', '64', "'64'"],
    ['scale', 1e7, '10000000'],
    ['margin', -0.1, '[0, 2]'],
    ['margin', 2.1, '[0, 2]'],
    ['reduction', 'max', "'mean', 'sum', 'none'"],
    ['gradient', 'none', "'exact', 'detached'"],
    ['precision', 'bf16-gradient', "'fp32', 'bf16-gradients', 'bf16'"],
    ['gradientTolerance', 1, '[0, 1)'],
    ['gradientTolerance', -1e-9, '[0, 1)'],
    ['gradientTolerance', Number.NaN, 'NaN'],
    ['gradientTolerance', '0', "'0'"],
    ['ignoreLabel', 0.5, 'whole number'],
    ['ignoreLabel', 2 ** 31, 'whole number'],
    ['margins', 0.35, 'known are margin, scale'],
    ['m3', 0.35, 'not an option here'],
  ] as const
).map(([name, value, words]) => [
  `${name} of ${String(value)}`,
  () => ({ options: { [name]: value } }),
  'COSFACE_OPTION_RANGE',
  name,
  words,
]);

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeAll(async () => void (await tf.setBackend(backend)));

  test.each([...TENSORS, disposed('x'), disposed('w'), disposed('y'), ...OPTIONS])(
    '%s is refused with code, place and remedy',
    (_, change, code, argument, words) => {
      const { error, left } = attempt(change);
      expect(error).toBeInstanceOf(CosFaceError);
      expect({ code: error.code, argument: error.argument }).toEqual({ code, argument });
      expect(error.message).toContain(words);
      expect(left, 'tensors and buffers left behind').toEqual([0, 0]);
    },
  );

  test.each<[string, Loss, object, string]>([
    ['arcFaceLoss', arcFaceLoss, { margin: 3.2 }, 'margin'],
    ['sphereFaceLoss', sphereFaceLoss, { margin: 0 }, 'margin'],
    ['sphereFaceLoss', sphereFaceLoss, { margin: 16.1 }, 'margin'],
    ['normFaceLoss', normFaceLoss, { margin: 0.1 }, 'margin'],
    ['marginSoftmaxLoss', marginSoftmaxLoss, { margin: 0.1 }, 'margin'],
    ['marginSoftmax', marginSoftmax, { m1: -1 }, 'm1'],
    ['marginSoftmax', marginSoftmax, { m2: 4 }, 'm2'],
    ['marginSoftmax', marginSoftmax, { m3: -1 }, 'm3'],
    ['marginSoftmax', marginSoftmax, { sampleMarginTerm: 'm4' }, 'sampleMarginTerm'],
    ['marginSoftmax', marginSoftmax, null as unknown as object, 'options'],
  ])('%s has its own options: %#', (_, loss, options, argument) => {
    const { error } = attempt(() => ({ options }), loss);
    expect({ code: error?.code, argument: error?.argument }).toEqual({ code: 'COSFACE_OPTION_RANGE', argument });
  });

  test('edges that are allowed', () => {
    expect(attempt(() => ({ options: { margin: 2, scale: 1e6, ignoreLabel: -(2 ** 31) } })).error).toBeUndefined();
    expect(attempt(() => ({ options: { margin: Math.fround(Math.PI) } }), arcFaceLoss).error).toBeUndefined();
    expect(attempt(() => ({ options: { margin: undefined, sampleWeights: undefined } })).error).toBeUndefined();
    expect(attempt(() => ({ options: { sampleWeights: null, sampleMargins: null } })).error).toBeUndefined();
    expect(attempt(() => ({ options: { sampleMargins: [-2, 2, 0] } })).error).toBeUndefined();
  });
});

test('ten thousand errors leave nothing behind', async () => {
  await tf.setBackend('cpu');
  const wrong = TENSORS.map(([, change]) => change);
  const before = { ids: tf.backend().numDataIds(), ...tf.memory() };
  for (let i = 0; i < 10_000; i++) {
    const { error } = attempt(wrong[i % wrong.length] as Case[1]);
    if (!(error instanceof CosFaceError)) throw new Error(`no CosFaceError from case ${i % wrong.length}: ${error}`);
  }
  expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers });
  expect(tf.backend().numDataIds()).toBe(before.ids);
});
