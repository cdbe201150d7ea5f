import { describe, expect, test } from 'vitest';
import { CosFaceError, marginSoftmax, marginSoftmaxAsync } from '../../src/native/index.js';
import { loadAddon } from '../../src/native/load.js';
import { ERROR_CASES, type ErrorCase } from './error-cases.js';

function expectError(error: unknown, { code, argument, index, says }: ErrorCase): void {
  expect(error).toBeInstanceOf(CosFaceError);
  const { message, ...rest } = error as CosFaceError;
  expect(rest).toMatchObject({ name: 'CosFaceError', code, argument });
  expect((error as CosFaceError).index).toBe(index);
  expect(message.startsWith(`${code}: `)).toBe(true);
  for (const part of says) expect(message).toContain(part);
}

async function thrownBy(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return expect.fail('nothing was thrown');
}

describe.each(ERROR_CASES)('$name', (errorCase) => {
  test('marginSoftmax throws', async () => {
    expectError(await thrownBy(() => marginSoftmax(errorCase.options())), errorCase);
  });

  test('marginSoftmaxAsync rejects, and never throws', async () => {
    const promise = marginSoftmaxAsync(errorCase.options());
    expectError(await thrownBy(() => promise), errorCase);
  });
});

describe('the addon, called by the kernels', () => {
  const addon = loadAddon();
  const inputs = {
    embeddings: new Float32Array(6).fill(1),
    weights: new Float32Array(9).fill(1),
    labels: new Int32Array(2),
    dim: 3,
    scale: 64,
    m1: 1,
    m2: 0,
    m3: 0,
    ignoreLabel: -1,
    reduction: 'none',
    gradient: 'exact',
  } as const;

  const CALLS: [string, object, string, string][] = [
    ['an output of the wrong length', { loss: new Float32Array(3) }, 'COSFACE_SHAPE', 'loss has length 3, expected 2'],
    [
      'an output of the wrong kind',
      { prediction: new Float32Array(2) },
      'COSFACE_DTYPE',
      'prediction is a Float32Array',
    ],
    ['one gradient of the two', { dWeights: new Float32Array(9) }, 'COSFACE_SHAPE', 'give both or neither'],
    [
      'a gradient too short',
      { dEmbeddings: new Float32Array(3), dWeights: new Float32Array(9) },
      'COSFACE_SHAPE',
      'dEmbeddings has length 3',
    ],
    ['a shared output', { loss: new Float32Array(new SharedArrayBuffer(8)) }, 'COSFACE_SHARED_BUFFER', 'loss'],
    [
      'an output over an input',
      { loss: inputs.embeddings.subarray(4) },
      'COSFACE_SHAPE',
      'loss shares memory with embeddings',
    ],
    ['a reduction that is none', { reduction: 'max' }, 'COSFACE_OPTION_RANGE', "'none', 'mean', 'sum'"],
    ['a gradient that is none', { gradient: 'fast' }, 'COSFACE_OPTION_RANGE', "'exact', 'detached'"],
    ['an isa that is none', { isa: 'avx9' }, 'COSFACE_OPTION_RANGE', "'auto', 'scalar', 'avx2'"],
    [
      'lossGradient under a mean',
      { lossGradient: new Float32Array(2), reduction: 'mean' },
      'COSFACE_OPTION_RANGE',
      'reduction must be none',
    ],
  ];

  test.each(CALLS)('%s', async (_, change, code, says) => {
    const error = await thrownBy(() => addon.marginSoftmax({ ...inputs, ...change } as never));
    expect(error).toBeInstanceOf(CosFaceError);
    expect((error as CosFaceError).message).toContain(`${code}: `);
    expect((error as CosFaceError).message).toContain(says);
  });

  test('outputs that touch end to end are no overlap', () => {
    const both = new Float32Array(4);
    addon.marginSoftmax({ ...inputs, loss: both.subarray(0, 2), targetCosine: both.subarray(2) });
    expect(both[2]).toBeCloseTo(1);
  });

  test('a getter that throws gives its own error', () => {
    const call = Object.defineProperty({ ...inputs }, 'labels', {
      get: () => {
        throw new RangeError('mine');
      },
    });
    expect(() => addon.marginSoftmax(call)).toThrow(new RangeError('mine'));
  });

  test('a getter that detaches what was read before it does no harm', () => {
    const embeddings = inputs.embeddings.slice();
    const call = Object.defineProperty({ ...inputs, embeddings }, 'dWeights', {
      get: () => {
        structuredClone(embeddings, { transfer: [embeddings.buffer] });
        return undefined;
      },
    });
    expect(() => addon.marginSoftmax(call)).toThrow('COSFACE_DETACHED: embeddings');
  });

  test('calls without a call object, and plans of impossible shapes', () => {
    for (const call of [undefined, null, 3, 'call', () => 0])
      expect(() => addon.marginSoftmax(call as never)).toThrow('COSFACE_DTYPE: call');
    const shape = { batch: 1, classes: 1, dim: 1, gradients: true };
    for (const change of [{ batch: -1 }, { classes: 0 }, { dim: 0.5 }, { batch: 2 ** 40 }])
      expect(() => addon.plan({ ...shape, ...change })).toThrow('COSFACE_SHAPE');
    expect(() => addon.registerTensorflowOp(3 as never, null)).toThrow('COSFACE_DTYPE: bindingPath');
  });
});
